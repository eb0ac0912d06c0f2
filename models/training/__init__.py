"""Training: the Trainer's run_fn, input pipeline, loss and devices."""
