"""`digits compare`: a matrix of runs and one report on all of them."""
