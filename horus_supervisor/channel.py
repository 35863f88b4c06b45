"""A stream of JSON lines between two processes; neither side ever blocks on it.

Owns its socket. What can't be sent now waits in a buffer; the owner watches for ``writing``.
"""

from __future__ import annotations

import errno
import select
import socket
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

_FOR_NOW = (errno.EAGAIN, errno.EINTR, errno.ENOBUFS, errno.ENOMEM)
"""Errors that are no end of the stream: the kernel has no room or no memory at the moment."""


class Channel(Generic[T]):
    """One end: ``send`` any message, ``receive`` those of type ``T``."""

    def __init__(self, sock: socket.socket, decoder: msgspec.json.Decoder[T]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._decoder = decoder
        self._encode = msgspec.json.Encoder().encode
        self._in = bytearray()
        self._out = bytearray()
        self.closed = False

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._sock.fileno()

    @property
    def writing(self) -> bool:
        """Whether something still waits to be sent."""
        return bool(self._out) and not self.closed

    def send(self, message: msgspec.Struct) -> None:
        """Send a message, now or when there is room; nothing to a closed channel."""
        if self.closed:
            return
        self._out += self._encode(message) + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what there is room for."""
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except OSError as error:
            self.closed |= error.errno not in _FOR_NOW

    def receive(self) -> list[T]:
        """Take all whole messages that have come; ``closed`` is set at the end of the stream."""
        while True:
            try:
                chunk = self._sock.recv(1 << 16)
            except ConnectionResetError:  # words of ours were left unread; theirs come after
                continue
            except OSError as error:
                if error.errno in _FOR_NOW:
                    break
                chunk = b""
            if not chunk:
                self.closed = True
                break
            self._in += chunk
        *lines, rest = self._in.split(b"\n")
        self._in = bytearray(rest)
        return [self._decoder.decode(line) for line in lines if line]

    def wait(self, wait_s: float) -> list[T]:
        """Wait for messages, ``wait_s`` seconds at most, for who has nothing else to wait for."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.poll(max(0.0, wait_s) * 1000)
        return self.receive()

    def close(self) -> None:
        """Close our end."""
        self.closed = True
        self._sock.close()
