"""The way of everyone's lines to standard output, over real pipes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import logs
from horus_supervisor.supervisor.output import (
    BUFFER_BYTES,
    LINE_MAX_BYTES,
    PIPE_BYTES,
    TAIL_LINES,
    LinePipe,
    Outlet,
    OutputPipe,
    make_pipe,
)


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


# --- the outlet --------------------------------------------------------------------------------


def test_lines_arrive_in_order(reader: Reader, outlet: Outlet) -> None:
    for n in range(10):
        outlet.put(line(n))
    assert numbers(reader.read_all(outlet)) == list(range(10))


def test_a_reader_that_stands_still_is_not_waited_for(reader: Reader, outlet: Outlet) -> None:
    for n in range(300):
        outlet.put(line(n, 1000))
    outlet.flush()
    assert outlet.writing
    assert numbers(reader.read_all(outlet)) == list(range(300))
    assert not outlet.full


def test_the_pipe_of_others_is_not_made_non_blocking(reader: Reader, outlet: Outlet) -> None:
    outlet.put(line(1))
    outlet.flush()
    assert os.get_blocking(reader.writing)


def test_crash_lines_go_first_and_break_no_line(reader: Reader, outlet: Outlet) -> None:
    outlet.put(b"".join(line(n, 1000) for n in range(1, 301)))
    outlet.flush()  # stops somewhere within a line
    outlet.put_first(line(1001))
    outlet.put_first(line(1002))
    got = numbers(reader.read_all(outlet))
    assert [n for n in got if n < 1000] == list(range(1, 301))
    assert got.index(1002) == got.index(1001) + 1
    assert got.index(1001) < 300


def test_a_crash_line_overtakes_chunks_that_wait_whole(reader: Reader, outlet: Outlet) -> None:
    outlet.put(line(1))
    outlet.put_first(line(2))
    assert numbers(reader.read_all(outlet)) == [2, 1]


def test_no_line_is_broken_however_little_is_read_at_a_time(reader: Reader, outlet: Outlet) -> None:
    fcntl.fcntl(reader.writing, 1031, 4096)
    got = b""
    for n in range(100):
        outlet.put(line(n, 700) + line(n + 1000, 50))
        outlet.put_first(line(n + 2000, 300))
        outlet.flush()
        got += reader.read(333)
    got += reader.read_all(outlet)
    assert sorted(numbers(got)) == sorted(n + more for n in range(100) for more in (0, 1000, 2000))


def test_a_full_buffer_says_so_until_it_was_read(reader: Reader, outlet: Outlet) -> None:
    fill(outlet)
    assert outlet._size < BUFFER_BYTES + 100_000
    reader.read_all(outlet)
    assert not outlet.full
    assert outlet._size == 0


def test_a_reader_that_is_gone_costs_neither_memory_nor_room(
    reader: Reader, outlet: Outlet
) -> None:
    outlet.put(line(1))
    gone, reader.fd = reader.fd, os.open(os.devnull, os.O_RDONLY)
    os.close(gone)
    outlet.flush()
    assert outlet.closed
    for _ in range(100):
        outlet.put(line(2, 60_000))
        outlet.put_first(line(3, 60_000))
    assert not outlet.full
    assert not outlet.writing


def test_a_full_disk_is_a_reader_that_stands_still() -> None:
    with Path("/dev/full").open("wb") as full, closing(Outlet(full.fileno())) as outlet:
        outlet.put(line(1))
        outlet.flush()
        assert outlet.writing
        assert not outlet.closed


def test_a_regular_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab") as file:
        outlet = Outlet(file.fileno())
        for n in range(300):
            outlet.put(line(n, 1000))
        outlet.flush()
        assert not outlet.writing
    assert numbers(path.read_bytes()) == list(range(300))


def test_a_socket_is_not_waited_for_and_stays_as_it_was() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, closing(Outlet(ours.fileno())) as outlet:
        for n in range(1000):
            outlet.put(line(n, 1000))
        outlet.flush()
        assert outlet.writing
        assert os.get_blocking(ours.fileno())
        theirs.settimeout(5)
        got = b""
        while got.count(b"\n") < 1000:
            got += theirs.recv(1 << 16)
            outlet.flush()
    assert numbers(got) == list(range(1000))


def test_a_terminal_that_was_stopped_is_not_waited_for() -> None:
    ours, theirs = pty.openpty()
    with closing(Outlet(theirs)) as outlet:
        for n in range(300):
            outlet.put(line(n, 1000))
        outlet.flush()
        assert outlet.writing
        os.close(ours)
        outlet.flush()
        assert outlet.closed
    os.close(theirs)


def test_a_pipe_that_may_not_be_opened_anew_is_not_waited_for_either(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise PermissionError(errno.EACCES, "another user's")

    monkeypatch.setattr(os, "open", refuse)
    outlet = Outlet(reader.writing)
    monkeypatch.undo()
    outlet.put(b"".join(line(n, 1000) for n in range(300)))
    outlet.flush()
    assert outlet.writing
    assert numbers(reader.read_all(outlet)) == list(range(300))


def test_a_console_gets_lines_for_people(reader: Reader) -> None:
    outlet = Outlet(reader.writing, console=True)
    outlet.put(b'{"level":"info","event":"a","message":"one"}\n{"event":"b","message":"two"}\n')
    first, second = reader.read_all(outlet).decode().splitlines()
    assert first.endswith("one")
    assert second.endswith("two")
    assert "\x1b" not in first


# --- lines that are JSON already ---------------------------------------------------------------


class Ends:
    """A child's pipe: its writing end, and what the supervisor makes of what comes."""

    def __init__(self, outlet: Outlet) -> None:
        self.fd, self.writing = make_pipe(PIPE_BYTES)
        self.strays: list[bytes] = []
        self.lines = LinePipe(self.fd, outlet, self.strays.append)
        self._log = logs.bind(outlet.put, {})
        self.output = OutputPipe(self.fd, outlet, self._log, lambda: {"runner": "q/1"})

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


def test_lines_are_passed_on_as_they_are(reader: Reader, outlet: Outlet, ends: Ends) -> None:
    text = b"".join(line(n) for n in range(50))
    ends.write(text, ends.lines.drain)
    assert reader.read_all(outlet) == text


def test_half_a_line_waits_for_its_other_half(reader: Reader, outlet: Outlet, ends: Ends) -> None:
    ends.write(line(1) + line(2)[:20], ends.lines.drain)
    assert numbers(reader.read_all(outlet)) == [1]
    ends.write(line(2)[20:], ends.lines.drain)
    assert numbers(reader.read_all(outlet)) == [2]


def test_half_a_line_of_a_dead_writer_is_a_stray(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    ends.write(line(1) + b'{"n":2,"te', lambda: None)
    ends.lines.drain(last=True)
    assert numbers(reader.read_all(outlet)) == [1]
    assert ends.strays == [b'{"n":2,"te']


def test_lines_are_left_in_the_pipe_while_there_is_no_room(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    fill(outlet)
    size = outlet._size
    os.write(ends.writing, line(7))
    ends.lines.drain()
    assert outlet._size == size
    reader.read_all(outlet)
    ends.lines.drain()
    assert numbers(reader.read_all(outlet)) == [7]


def test_the_last_lines_of_the_dead_are_taken_even_without_room(outlet: Outlet, ends: Ends) -> None:
    fill(outlet)
    size = outlet._size
    os.write(ends.writing, line(7))
    ends.lines.drain(last=True)
    assert outlet._size == size + len(line(7))


def test_a_line_that_never_ends_is_bounded_and_breaks_no_other(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    piece = b"x" * 100_000
    ends.write(line(1), ends.lines.drain)
    for _ in range(1000):
        ends.write(piece, ends.lines.drain)
        assert len(ends.lines._rest) <= PIPE_BYTES
    ends.write(b"the end of it\n" + line(2), ends.lines.drain)
    assert numbers(reader.read_all(outlet)) == [1, 2]
    assert [len(stray) for stray in ends.strays] == [LINE_MAX_BYTES]


def test_a_stranger_who_writes_on_for_ever_does_not_hold_us(outlet: Outlet, ends: Ends) -> None:
    class Endless(LinePipe):
        def _take(self, chunk: bytes) -> None:
            super()._take(chunk)
            os.write(ends.writing, b"\n" * PIPE_BYTES)

    os.write(ends.writing, b"\n" * PIPE_BYTES)
    Endless(ends.fd, outlet, ends.strays.append).drain(last=True)


# --- what was printed --------------------------------------------------------------------------


def printed(reader: Reader, outlet: Outlet) -> list[dict[str, Any]]:
    return [json.loads(found) for found in reader.read_all(outlet).splitlines()]


def texts(reader: Reader, outlet: Outlet) -> list[str]:
    return [found["text"] for found in printed(reader, outlet)]


def test_each_printed_line_becomes_a_log_line(reader: Reader, outlet: Outlet, ends: Ends) -> None:
    ends.write(b"one\ntwo\r\n\nthree", ends.output.drain)
    found = printed(reader, outlet)
    assert [each["text"] for each in found] == ["one", "two", ""]
    assert found[0]["event"] == "output"
    assert found[0]["runner"] == "q/1"
    ends.write(b" and more\n", ends.output.drain)
    assert texts(reader, outlet) == ["three and more"]


def test_an_unfinished_line_of_the_dead_is_told_as_cut(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    os.write(ends.writing, b"done\nhalf a li")
    ends.output.drain(last=True)
    found = printed(reader, outlet)
    assert [(each["text"], each.get("cut")) for each in found] == [
        ("done", None),
        ("half a li", True),
    ]


def test_bytes_that_are_no_text_are_shown_as_such(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    ends.write(b"\xff\xfe ok \xc3\n\xc3\xbc\n", ends.output.drain)
    assert texts(reader, outlet) == ["\ufffd\ufffd ok \ufffd", "ü"]


def test_a_character_that_came_in_two_pieces_is_whole(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    ends.write(b"\xc3", ends.output.drain)
    ends.write(b"\xbc\n", ends.output.drain)
    assert texts(reader, outlet) == ["ü"]


@pytest.mark.parametrize("end", [b"\n", b""], ids=["with its end", "without"])
def test_a_long_line_is_told_in_pieces_between_characters(
    reader: Reader, outlet: Outlet, ends: Ends, end: bytes
) -> None:
    text = "a" + "ü" * 20_000
    os.write(ends.writing, text.encode() + end)
    ends.output.drain(last=True)
    found = printed(reader, outlet)
    assert "".join(each["text"] for each in found) == text
    assert [each.get("cut", False) for each in found] == [True] * 4 + [end == b""]


def test_a_line_of_100_mb_is_bounded_and_the_next_one_whole(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    def drain() -> None:
        ends.output.drain()
        assert len(ends.output._rest) <= LINE_MAX_BYTES
        reader.read_all(outlet)

    piece = b"x" * 1_000_000
    for _ in range(100):
        ends.write(piece, drain)
    ends.write(b"\nnext\n", drain)
    ends.output.drain(last=True)
    assert texts(reader, outlet)[-1] == "next"


def test_what_is_printed_without_room_is_counted_not_kept(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    fill(outlet)
    size = outlet._size
    os.write(ends.writing, b"lost\n" * 10)
    ends.output.drain()
    assert (outlet.dropped, outlet._size) == (10, size)
    assert list(ends.output.tail) == ["lost"] * 10


def test_the_last_printed_lines_are_kept_for_the_crash_record(outlet: Outlet, ends: Ends) -> None:
    os.write(ends.writing, b"".join(b"%d\n" % n for n in range(100)))
    ends.output.drain()
    assert list(ends.output.tail) == [str(n) for n in range(100 - TAIL_LINES, 100)]


def test_the_end_of_a_pipe_is_noticed(ends: Ends) -> None:
    ends.output.drain()
    assert not ends.output.ended
    ends.end()
    ends.output.drain()
    assert ends.output.ended


def test_a_pipe_that_was_closed_meanwhile_is_not_read(outlet: Outlet, ends: Ends) -> None:
    for pipe in (ends.lines, OutputPipe(os.dup(ends.fd), outlet, ends._log, dict)):
        pipe.close()
        pipe.close()
        pipe.drain()
        pipe.drain(last=True)
