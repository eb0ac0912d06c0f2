"""Keeps the resident memory of a long-running process with picture-reading threads small."""

from __future__ import annotations

import ctypes

# malloc.h of glibc; see mallopt(3).
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8

ARENAS = 2
LARGE_BLOCK = 64 * 2**10
"""Minimum size of separately mapped blocks, in bytes: the HTTP client's read size, so parallel downloads do not
fragment the heap."""


def give_back_freed_memory() -> None:
    """Makes glibc's allocator return freed pictures to the system; does nothing with another C library.

    By default every thread keeps its own arena, and the allocator raises the size above which blocks are mapped and
    returned separately. `benchmarks/bot.py memory` shows the difference.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
