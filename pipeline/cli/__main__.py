"""`python -m pipeline.cli`: the `digits` command without its script."""

from pipeline.cli import main

main()
