"""A program for ``start_program``: prints what its descriptors hold, and its arguments."""

from __future__ import annotations

import os
import sys


def main(*words: object) -> None:
    """Tell of each descriptor (a number from 100 on) its content, of each argument its form."""
    for word in words:
        if isinstance(word, int) and word >= 100:
            print(os.pread(word, 1000, 0).decode())
        else:
            print(repr(word))
    print("leader" if os.getpgid(0) == os.getpid() else "no leader")
    print("stdin", repr(sys.stdin.read()))
