"""How the C library's allocator treats freed memory; with other C libraries than glibc nothing happens."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # numbers of the parameters, from malloc.h

KEPT = 2**28
"""Most bytes of freed memory that are kept at the end of the heap."""
LARGEST = 2**25
"""Allocations up to this many bytes come from the heap, whose memory is used again."""
STEP = 2**24
"""Bytes by which the heap grows at least."""


def keep_freed_memory() -> None:
    """Keep freed memory for the next allocations, rather than return it to the system each time.

    The intermediate results of a network are a few MB each. By default such memory is returned when it is
    freed, and the system clears the pages of the next layer anew.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        for parameter, value in ((_MMAP_THRESHOLD, LARGEST), (_TRIM_THRESHOLD, KEPT), (_TOP_PAD, STEP)):
            libc.mallopt(parameter, value)


def return_freed_memory() -> None:
    """Return freed memory to the system, wherever it lies in the heap.

    What stays would otherwise fragment the heap, so that memory grows with each piece of work.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
