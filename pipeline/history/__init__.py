"""What was run, read from ML Metadata."""
