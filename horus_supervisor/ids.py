"""Names that travel: job ids, job names, queue names.

Ids are UUIDv7 (RFC 9562), so they sort by the time they were made; within a process each is
greater than the one before, whatever the clock does. A forked child starts afresh, and every id
takes new random bits from the kernel, so no two processes make the same.
"""

from __future__ import annotations

import itertools
import os
import re
import struct
import threading
import time

try:  # as ``random`` does: hashlib would load OpenSSL, 0.5 MB in each process
    from _sha1 import sha1 as _sha1  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha1 as _sha1

MAX_JOB_NAME = 200
"""Most characters of a job's name on the wire."""

QUEUE_NAMES = "1 to 64 of A-Z a-z 0-9 _ . -"
"""What a queue may be called, in words: ``valid_queue_name``."""

TAGS = "1 to 64 of A-Z a-z 0-9 _ . : / @ + -"
"""What a tag may be, in words: ``valid_tag``."""

NAMESPACES = f"{QUEUE_NAMES} :"
"""What a namespace may be called, in words: ``valid_namespace``."""

_JOB_ID = re.compile(r"[!-~]{1,128}")
_TAG = re.compile(r"[A-Za-z0-9_.:/@+-]{1,64}")
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_RANDOM_BITS = 74
_LONGEST_STEP = 1 << 32


class _Sequence:
    """Numbers that rise: 48 bits of milliseconds since 1970, then 74 random ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, count: int) -> list[int]:
        """Make as many, for one look at the clock."""
        now = time.time_ns() // 1_000_000 << _RANDOM_BITS
        bits = int.from_bytes(os.urandom(10)) >> 80 - _RANDOM_BITS
        with self._lock:
            if now <= self._last:  # this millisecond again, or a clock that went back
                now, bits = self._last, 1 + bits % _LONGEST_STEP
            numbers = [now + bits]
            if count > 1:
                steps = struct.unpack(f"={count - 1}I", os.urandom(4 * (count - 1)))
                numbers = list(itertools.accumulate((s + 1 for s in steps), initial=numbers[0]))
            self._last = numbers[-1]
        return numbers


def sha1_hex(data: bytes) -> str:
    """Name content by its SHA-1, as Redis names scripts: 40 hex digits."""
    digest: str = _sha1(data, usedforsecurity=False).hexdigest()
    return digest


_sequences: dict[int, _Sequence] = {}
"""By pid: a forked child has its own numbers, and a lock that no thread of its parent holds."""


def new_job_id() -> str:
    """Make an id that no other job has: a UUIDv7 as text, 36 characters."""
    return new_job_ids(1)[0]


def new_job_ids(count: int) -> list[str]:
    """Make as many ids, each greater than the one before."""
    if not count:
        return []
    pid = os.getpid()
    sequence = _sequences.get(pid) or _sequences.setdefault(pid, _Sequence())
    return [_uuid7(number) for number in sequence.next(count)]


def _uuid7(number: int) -> str:
    head, high, low = number >> 74, number >> 62 & 0xFFF, number & ((1 << 62) - 1)
    variant = 0x8000 | low >> 48
    node = low & ((1 << 48) - 1)
    return f"{head >> 16:08x}-{head & 0xFFFF:04x}-7{high:03x}-{variant:04x}-{node:012x}"


def valid_job_id(value: object) -> bool:
    """Tell whether a job may have this id: 1 to 128 printable ASCII characters, no white space."""
    return isinstance(value, str) and _JOB_ID.fullmatch(value) is not None


def valid_queue_name(value: object) -> bool:
    """Tell whether a queue may be called so: ``QUEUE_NAMES``."""
    return isinstance(value, str) and _QUEUE_NAME.fullmatch(value) is not None


def valid_tag(value: object) -> bool:
    """Tell whether a job may be marked so: ``TAGS``."""
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def valid_namespace(value: object) -> bool:
    """Tell whether a namespace may be called so: ``NAMESPACES``, in a file as elsewhere."""
    return isinstance(value, str) and _NAMESPACE.fullmatch(value) is not None


def valid_job_name(value: object) -> bool:
    """Tell whether a job may be named so: 1 to 200 printable characters, no white space."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_JOB_NAME:
        return False
    return value.isprintable() and not any(map(str.isspace, value))
