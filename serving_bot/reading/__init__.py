"""Reading digits in a picture."""
