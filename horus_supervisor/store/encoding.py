"""Calls as bytes on the wire, the same for every driver.

Encoding a call costs more than anything else that a client does for it, so what most calls have in
common (script, namespace, slot, queue, limits) is encoded once and remembered. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from horus_supervisor.store.operation import Operation

REMEMBERED = 512
"""Encoded arguments kept: most of a caller's (slot, queue, limits) are the same in every call."""


class Encoder:
    """Encodes operations, remembering what comes again. Safe to share between threads."""

    def __init__(self) -> None:
        self._heads: dict[tuple[str, str, int], bytes] = {}
        self._encoded = _Encoded()

    def call(self, operation: Operation[Any]) -> bytes:
        """Encode an operation as EVALSHA."""
        args = operation.args
        key = (operation.script.sha, operation.prefix, len(args))
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = encode_head(*key)
        return b"%b%b\r\n" % (head, b"".join(map(self._encoded.__getitem__, args)))


class _Encoded(dict[Any, bytes]):
    """Argument -> its length and bytes on the wire; forgets all when it has grown full."""

    def __missing__(self, value: str | bytes | int) -> bytes:
        encoded = encode(value)
        if len(encoded) < 80 and not (isinstance(value, int) and value > 99):  # a seq comes once
            if len(self) >= REMEMBERED:
                self.clear()
            self[value] = encoded
        return encoded


def with_source(operation: Operation[Any]) -> bytes:
    """Encode an operation with its script, for a server that doesn't know that (any more)."""
    return pack(("EVAL", operation.script.source, 1, operation.prefix, *operation.args))


def pack(command: Iterable[str | bytes | int]) -> bytes:
    """Encode one command."""
    parts = [*map(encode, command)]
    return b"*%d%b\r\n" % (len(parts), b"".join(parts))


def encode_head(sha: str, prefix: str, arguments: int) -> bytes:
    """Encode what all calls of a script in a namespace begin with, less the last line's end."""
    name = prefix.encode()
    return b"*%d\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n1\r\n$%d\r\n%b" % (
        4 + arguments,
        sha.encode(),
        len(name),
        name,
    )


def encode(value: str | bytes | int) -> bytes:
    """Encode an argument, beginning with the end of the line before it."""
    if not isinstance(value, bytes):
        value = value.encode() if isinstance(value, str) else b"%d" % value
    return b"\r\n$%d\r\n%b" % (len(value), value)
