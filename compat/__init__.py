"""Private and internal names of libraries, one module per library; each says when it can go.

`tests/unit/compat/` covers every name, so a release that moves one fails a test, not a run.
"""
