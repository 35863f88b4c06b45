"""Fills the holes in this process's memory, so that what its forks allocate lies side by side.

What was freed lies as holes among what lives on. A fork that allocates takes one here and one
there, and the kernel copies every page that it writes to. Where no hole is left it takes new
memory, in a row: 0.2 MB less in each runner. For CPython's small blocks and glibc's large ones;
where memory is handed out in another way, this takes little and does no harm.
"""

from __future__ import annotations

import ctypes
import sys

_SMALL = range(16, 513, 16)
"""Sizes of the blocks that CPython hands out itself, a pool for each (``Objects/obmalloc.c``)."""

_POOL = 16 * 1024

_POOL_HEAD = 48
"""Bytes of a pool that are no blocks."""

_MOST = 16 * _POOL
"""Bytes taken at most in blocks of one size, where they never come in a row."""

_LARGE = (65536, 32768, 16384, 8192, *range(4096, 0, -16))
"""What the C library is asked for, the largest holes first."""

_CACHED_MAX, _CACHED = 1032, 7
"""The C library keeps so many freed blocks of each size up to this aside, and counts them as taken
(``tcache`` in glibc's ``malloc/malloc.c``)."""

_EMPTY = sys.getsizeof(b"")

_taken: list[object] = []


class _Heap(ctypes.Structure):
    """What mallinfo(3) tells, in bytes: how much is free, and how much of it is above all holes."""

    _fields_ = (
        ("others", ctypes.c_size_t * 8),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    )


def fill() -> None:
    """Take every hole, for good."""
    for size in _SMALL:
        _fill_pools(size)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallinfo2"):
        _fill_heap(libc)


def _fill_pools(size: int) -> None:
    """Take blocks of a size until a whole pool has come in a row: it had no hole, and is new."""
    before = in_a_row = 0
    for _ in range(_MOST // size):
        block = _block(size)
        _taken.append(block)
        in_a_row = in_a_row + 1 if id(block) == before + size else 1
        before = id(block)
        if in_a_row == (_POOL - _POOL_HEAD) // size:
            return


def _block(size: int) -> object:
    if size == 16:
        return object()
    if size == 32:
        return float(len(_taken))
    return bytes(size - _EMPTY)


def _fill_heap(libc: ctypes.CDLL) -> None:
    """Take memory of each size until it comes from above all holes."""
    malloc, free, look = libc.malloc, libc.free, libc.mallinfo2
    malloc.argtypes, malloc.restype, look.restype = [ctypes.c_size_t], ctypes.c_void_p, _Heap
    free.argtypes = [ctypes.c_void_p]
    for size in _LARGE:
        heap = look()
        for _ in range(heap.fordblks // size + _CACHED + 1):
            block = malloc(size)
            if look().keepcost == heap.keepcost:
                continue
            if size > _CACHED_MAX:  # a smaller one would be kept aside, and not be above again
                free(block)
            break
