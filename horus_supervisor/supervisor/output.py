"""What runners and programs write, on its way to the outlet: lines of ours, and output of others.

Reads what is there and never waits for more. What no logger of ours wrote becomes ``output``, so
that it breaks no line and hides none.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import termios
from collections import deque
from collections.abc import Callable, Iterator

import msgspec

from horus_supervisor import messages
from horus_supervisor.events import Event
from horus_supervisor.logs import MAX_LINE_BYTES, Logger
from horus_supervisor.supervisor.outlet import Outlet

CHUNK_BYTES = 64 * 1024
LINE_MAX_BYTES = 8 * 1024
"""Longest text of an ``output`` line; a longer one is told in pieces."""

TAIL_LINES = 40
PIPE_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031
_ROUNDS = 4
_LAST_ROUNDS = 64
"""Reads of a dead writer's pipe: all that it can hold. A stranger may hold it open and write on."""

_MOST_STRAYS = 1000
"""So many of a chunk are told: a job that floods our pipe must not hold up the loop."""


def make_pipe(size: int | None = None) -> tuple[int, int]:
    """Open a pipe that we read without waiting; a larger one where the kernel grants it."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    if size:
        with contextlib.suppress(OSError):
            fcntl.fcntl(writing, _F_SETPIPE_SZ, size)
    return reading, writing


class Pipe:
    """The reading end of a child's pipe. Owns the descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ended = False
        self.closed = False

    def _read(self, size: int, rounds: int) -> Iterator[bytes]:
        """Give what is there, ``rounds`` times ``size`` bytes at most; nothing once closed.

        Whoever closes a pipe may be told later in the same turn that it was readable.
        """
        for _ in range(rounds):
            if self.closed:
                return
            try:
                chunk = os.read(self.fd, size)
            except BlockingIOError:
                return
            if not chunk:
                self.ended = True
                return
            yield chunk
            if len(chunk) < size:
                return

    def close(self) -> None:
        """Close our end. Safe to repeat."""
        if not self.closed:
            self.closed = True
            os.close(self.fd)


class _Object(msgspec.Struct, gc=False):
    """Any JSON object; its fields are passed over."""


_objects = msgspec.json.Decoder(_Object).decode_lines

_HEAD = b'{"timestamp":"'
"""How each line begins that a logger of ours made."""


def are_lines(lines: bytes) -> bool:
    """Tell whether each of these lines is one JSON object, and none too long. Under 1 µs a line.

    The decoder wants no newline between objects, and none within a string: so where each but the
    last stands between two braces no line is without an object, and counting them tells.
    """
    if len(lines) > MAX_LINE_BYTES and max(map(len, lines.split(b"\n"))) >= MAX_LINE_BYTES:
        return False
    newlines = lines.count(b"\n")
    if newlines > 1 and lines.count(b"}\n{") != newlines - 1:
        return False
    try:
        lines.decode()  # the decoder passes over what is no UTF-8
        return len(_objects(lines)) == newlines
    except (ValueError, RecursionError):
        return False


def _is_line(line: bytes) -> bool:
    return line.endswith(b"}") and are_lines(line + b"\n")  # cheaply no, most times


class LinePipe(Pipe):
    """A pipe of lines that are JSON already: passed on in whole chunks, cut at the last newline.

    Job code may find the descriptor and write what it likes: what is no line of ours goes to
    ``stray``, which is told too whether it was cut.
    """

    def __init__(self, fd: int, outlet: Outlet, stray: Callable[[bytes, bool], None]) -> None:
        super().__init__(fd)
        self._outlet = outlet
        self._stray = stray
        self._rest = b""
        self._skipping = False  # to the end of a line that is too long to be one of ours

    def drain(self, *, last: bool = False) -> None:
        """Pass on what has come; ``last``: its writer is dead, half a line is a stray."""
        if self._outlet.full and not last:
            return
        for chunk in self._read(PIPE_BYTES, _LAST_ROUNDS if last else _ROUNDS):
            pure = self._take(chunk, last)
            if not last and (self._outlet.full or not pure):
                break
        if last and self._rest:
            self._stray(self._rest, True)
            self._rest = b""

    def _take(self, chunk: bytes, last: bool) -> bool:
        """Take what came; tell whether all of it was ours, which costs a tenth of anything else."""
        if self._skipping:
            _, newline, chunk = chunk.partition(b"\n")
            self._skipping = not newline
        whole, newline, self._rest = (self._rest + chunk).rpartition(b"\n")
        whole += newline
        if pure := are_lines(whole):
            self._outlet.put(whole, last=last)
        else:
            self._sift(whole, last)
        if len(self._rest) > CHUNK_BYTES:
            self._stray(self._rest[:LINE_MAX_BYTES], True)
            self._rest, self._skipping = b"", True
        return pure

    def _sift(self, lines: bytes, last: bool) -> None:
        """Part our lines from others', which may stand before one of ours without a newline."""
        strays = 0
        for line in filter(None, lines.split(b"\n")):
            at = 0 if _is_line(line) else line.find(_HEAD, 1)
            ours = at == 0 or (at > 0 and _is_line(line[at:]))
            if ours:
                self._outlet.put(line[at:] + b"\n", last=last)
            if stray := line[:at] if ours else line:
                strays += 1
                if strays <= _MOST_STRAYS:
                    self._stray(stray, ours)
                else:
                    self._outlet.dropped += 1


class OutputPipe(Pipe):
    """What was written to descriptors 1 and 2: lines wrapped as ``output``, the last ones kept."""

    def __init__(
        self,
        fd: int,
        outlet: Outlet,
        log: Logger,
        about: Callable[[], dict[str, object]],
        tail_lines: int = TAIL_LINES,
    ) -> None:
        super().__init__(fd)
        self.tail: deque[str] = deque(maxlen=tail_lines)
        self._outlet = outlet
        self._log = log
        self._about = about
        self._job: dict[str, str | int] = {}  # whose words these are, by its mark
        self._rest = b""

    def drain(self, *, last: bool = False) -> None:
        """Wrap what has come, 64 KiB a turn at most; ``last``: to its end, half a line too."""
        for chunk in self._read(CHUNK_BYTES, _LAST_ROUNDS if last else 1):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self.say(line)
            *pieces, self._rest = _pieces(self._rest)
            for piece in pieces:
                self._say(piece, cut=True)
        if last and self._rest:
            self.say(self._rest, cut=True)
            self._rest = b""

    def empty(self) -> bool:
        """Tell whether all that was written has been told."""
        unread = b"" if self.closed else fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4))
        return not (self._rest or any(unread))

    def say(self, line: bytes, cut: bool = False) -> None:
        """Make ``output`` of it, several where it is long; ``cut``: it would have gone on."""
        before, mark, whose = line.partition(messages.WORDS)
        job = messages.read_words(whose) if mark else None
        if job is None:
            self._say_all(line, cut=cut)
            return
        if before:
            self._say_all(before, cut=cut)
        self._job = job
        self.tail.clear()  # a crash record tells a job's own last words

    def _say_all(self, line: bytes, *, cut: bool) -> None:
        *pieces, rest = _pieces(line)
        for piece in pieces:
            self._say(piece, cut=True)
        self._say(rest, cut=cut)

    def _say(self, piece: bytes, *, cut: bool) -> None:
        text = piece.decode("utf-8", "replace").rstrip("\r")
        self.tail.append(text)
        if self._outlet.full:
            self._outlet.dropped += 1
            return
        fields = {"text": text, **self._about(), **self._job}
        if cut:
            fields["cut"] = True
        self._log.info(Event.OUTPUT, **fields)


def _pieces(line: bytes) -> Iterator[bytes]:
    """Part a line that is too long, between characters; the last piece is what is left."""
    start = 0
    while len(line) - start > LINE_MAX_BYTES:
        end = start + LINE_MAX_BYTES
        while end > start + LINE_MAX_BYTES - 4 and line[end] & 0xC0 == 0x80:
            end -= 1
        yield line[start:end]
        start = end
    yield line[start:]
