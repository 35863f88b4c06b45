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

_JOB_ID = re.compile(r"[!-~]{1,128}")
_TAG = re.compile(r"[A-Za-z0-9_.:/@+-]{1,64}")
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RANDOM_BITS = 74


class _Sequence:
    """Numbers that rise: 48 bits of milliseconds since 1970, then 74 random ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, count: int) -> list[int]:
        """Make as many, for one look at the clock and one at the kernel's random bits."""
        now = time.time_ns() // 1_000_000 << _RANDOM_BITS
        steps = struct.unpack(f"={count}I", os.urandom(4 * count))
        with self._lock:
            last = self._last
            if now > last:  # else: this millisecond again, or a clock that went back
                last = now | _random(_RANDOM_BITS)
            numbers = list(itertools.accumulate((step + 1 for step in steps), initial=last))[1:]
            self._last = numbers[-1]
        return numbers


def sha1_hex(data: bytes) -> str:
    """Name content by its SHA-1, as Redis names scripts: 40 hex digits."""
    digest: str = _sha1(data, usedforsecurity=False).hexdigest()
    return digest


def _random(bits: int) -> int:
    return int.from_bytes(os.urandom((bits + 7) // 8)) & ((1 << bits) - 1)


_sequence = _Sequence()


def _start_afresh() -> None:
    """Give a forked child its own numbers, and a lock that no thread of its parent holds."""
    global _sequence
    _sequence = _Sequence()


os.register_at_fork(after_in_child=_start_afresh)


def new_job_id() -> str:
    """Make an id that no other job has: a UUIDv7 as text, 36 characters."""
    return new_job_ids(1)[0]


def new_job_ids(count: int) -> list[str]:
    """Make as many ids, each greater than the one before."""
    return [_uuid7(number) for number in _sequence.next(count)] if count else []


def _uuid7(number: int) -> str:
    milliseconds, high, low = number >> 74, number >> 62 & 0xFFF, number & ((1 << 62) - 1)
    digits = f"{milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def valid_job_id(value: object) -> bool:
    """Tell whether a job may have this id: 1 to 128 printable ASCII characters, no white space."""
    return isinstance(value, str) and _JOB_ID.fullmatch(value) is not None


def valid_queue_name(value: object) -> bool:
    """Tell whether a queue may be called so: 1 to 64 of ``A-Za-z0-9_.-``."""
    return isinstance(value, str) and _QUEUE_NAME.fullmatch(value) is not None


def valid_tag(value: object) -> bool:
    """Tell whether a job may be marked so: 1 to 64 of ``A-Za-z0-9_.:/@+-``."""
    return isinstance(value, str) and _TAG.fullmatch(value) is not None


def valid_job_name(value: object) -> bool:
    """Tell whether a job may be named so: 1 to 200 printable characters, no white space."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_JOB_NAME:
        return False
    return value.isprintable() and not any(map(str.isspace, value))
