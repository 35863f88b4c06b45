"""Where no hole is left, what is allocated lies on few pages."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable

import pytest

from horus_supervisor.runner import holes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's and CPython's allocators")

_libc = ctypes.CDLL(None)
_malloc, _free = _libc.malloc, _libc.free
_malloc.argtypes, _malloc.restype, _free.argtypes = (
    [ctypes.c_size_t],
    ctypes.c_void_p,
    [ctypes.c_void_p],
)

FEW = 20
"""Blocks of 450 bytes fill three pages, those of 2000 fill ten."""


def pages(addresses: Iterable[int]) -> int:
    return len({address // 4096 for address in addresses})


def test_small_blocks_lie_together_though_there_were_holes_everywhere() -> None:
    crowd = [bytes(400) for _ in range(4000)]
    del crowd[::10]  # a hole on each page
    here_and_there = [bytes(400) for _ in range(FEW)]
    assert pages(map(id, here_and_there)) > 15
    holes.fill()
    together = [bytes(400) for _ in range(FEW)]
    assert pages(map(id, together)) < 6


def test_large_blocks_lie_together_though_there_were_holes_everywhere() -> None:
    crowd = [_malloc(2000) for _ in range(400)]
    for address in crowd[::10]:
        _free(address)
    here_and_there = [_malloc(2000) for _ in range(FEW)]
    assert pages(here_and_there) > 15
    holes.fill()
    together = [_malloc(2000) for _ in range(FEW)]
    assert pages(together) < 13


@pytest.mark.parametrize("make", [object, lambda: float("1.5e300")], ids=["16 bytes", "32 bytes"])
def test_the_smallest_blocks_lie_together_too(make: Callable[[], object]) -> None:
    crowd = [make() for _ in range(40_000)]
    del crowd[::100]
    holes.fill()
    together = [make() for _ in range(FEW)]
    assert pages(map(id, together)) < 6


def test_blocks_of_all_sizes_lie_together_though_there_were_holes_of_all_sizes() -> None:
    sizes = [24, 100, 600, 1100, 3000, 7000]
    crowd = [_malloc(size) for size in sizes * 200]
    for address in crowd[::2]:
        _free(address)
    holes.fill()
    together = [_malloc(size) for size in (40, 200, 500, 900) * 10]  # 16,400 bytes
    assert pages(together) < 9


def test_memory_that_never_comes_in_a_row_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holes, "_POOL", 1 << 30)  # no row is so long: PYTHONMALLOC=malloc has none
    monkeypatch.setattr(holes, "_taken", taken := list[object]())
    holes.fill()
    assert sum(map(sys.getsizeof, taken)) < 8 * 1024 * 1024
