"""Standard output and pipes of the supervisor, with a reader that a test holds in its hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from horus_supervisor import logs
from horus_supervisor.supervisor.outlet import Outlet
from horus_supervisor.supervisor.output import PIPE_BYTES, LinePipe, OutputPipe, make_pipe


class Reader:
    """Standard output as a test reads it."""

    def __init__(self) -> None:
        self.fd, self.writing = make_pipe()

    def read(self, size: int = 1 << 20) -> bytes:
        found = b""
        while size > len(found):
            try:
                chunk = os.read(self.fd, size - len(found))
            except BlockingIOError:
                break
            if not chunk:
                break
            found += chunk
        return found

    def read_all(self, outlet: Outlet) -> bytes:
        found = b""
        while outlet.writing:
            outlet.flush()
            found += self.read()
        return found + self.read()


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    os.close(reader.fd)
    os.close(reader.writing)


@pytest.fixture
def outlet(reader: Reader) -> Iterator[Outlet]:
    with closing(Outlet(reader.writing)) as outlet:
        yield outlet


def line(n: int, size: int = 100) -> bytes:
    return b'{"n":%d,"text":"%s"}\n' % (n, b"x" * size)


def numbers(text: bytes) -> list[int]:
    """Every line is whole JSON; their numbers."""
    assert text.endswith(b"\n")
    return [json.loads(found)["n"] for found in text.splitlines()]


def fill(outlet: Outlet) -> None:
    """Put more than the buffer takes, into a pipe that nobody reads."""
    while not outlet.full:
        outlet.put(line(0, 60_000))
        outlet.flush()


class Ends:
    """A child's pipe: its writing end, and what the supervisor makes of what comes."""

    def __init__(self, outlet: Outlet) -> None:
        self.fd, self.writing = make_pipe(PIPE_BYTES)
        self.strays: list[bytes] = []
        self.lines = LinePipe(self.fd, outlet, self.stray)
        self._log = logs.bind(outlet.put, {})
        self.output = OutputPipe(self.fd, outlet, self._log, lambda: {"runner": "q/1"})

    def stray(self, text: bytes, _cut: bool) -> None:
        self.strays.append(text)

    def write(self, text: bytes, drain: Callable[[], None]) -> None:
        """Write it all, draining whenever the pipe is full."""
        os.set_blocking(self.writing, False)
        while text:
            try:
                text = text[os.write(self.writing, text) :]
            except BlockingIOError:
                drain()
        drain()

    def end(self) -> None:
        os.close(self.writing)
        self.writing = -1


@pytest.fixture
def ends(outlet: Outlet) -> Iterator[Ends]:
    ends = Ends(outlet)
    yield ends
    if ends.writing >= 0:
        os.close(ends.writing)
    if not (ends.lines.closed or ends.output.closed):
        os.close(ends.fd)
