"""The networks, their preprocessing, training and export."""
