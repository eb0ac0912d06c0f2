"""Keeping the resident memory of a long-running process of picture-reading threads small."""

from __future__ import annotations

import ctypes

# malloc.h of glibc; see mallopt(3).
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8

ARENAS = 2
LARGE_BLOCK = 64 * 2**10
"""Bytes from which a block is mapped by itself: what the HTTP client reads at a time, so that downloads side by side
do not leave a heap full of holes."""


def give_back_freed_memory() -> None:
    """Tells glibc's allocator to return freed pictures to the system; does nothing under another C library.

    By default every thread keeps an arena of its own, and the allocator raises the size from which blocks
    are mapped, and so returned, singly. `benchmarks/bot.py memory` shows the difference.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
