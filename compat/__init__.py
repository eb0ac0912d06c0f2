"""Private and internal names of libraries, a module for each library, and what replaces each name.

`tests/unit/compat/` names every one, so that a release that moves one fails a test and not a run.
"""
