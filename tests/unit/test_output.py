"""The way of everyone's lines to standard output, over real pipes."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import resource
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor.logs import MAX_LINE_BYTES
from horus_supervisor.supervisor.outlet import BUFFER_BYTES, Outlet
from horus_supervisor.supervisor.output import LINE_MAX_BYTES, PIPE_BYTES, LinePipe
from tests.support.outlets import Ends, Reader, ends, fill, line, numbers, outlet, reader

__all__ = ["ends", "outlet", "reader"]  # fixtures

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


def test_a_named_pipe_may_find_another_reader_who_hears_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "log"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with path.open("wb") as pipe, closing(Outlet(pipe.fileno())) as outlet:
        os.close(reading)
        for n in (1, 2):
            outlet.put(line(n))
        outlet.put_first(line(3))
        outlet.flush()
        assert (outlet.closed, outlet.writing, outlet.take_dropped()) == (False, False, 0)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        outlet.put(line(4))
        outlet.flush()
        assert numbers(os.read(reading, 1 << 16)) == [4]
        assert outlet.take_dropped() == 3
    os.close(reading)


@pytest.mark.parametrize("put", [Outlet.put, Outlet.put_first])
def test_a_line_that_a_reader_left_in_a_named_pipe_is_whole_for_the_next(
    tmp_path: Path, put: Callable[[Outlet, bytes], None]
) -> None:
    path = tmp_path / "log"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with path.open("wb") as pipe, closing(Outlet(pipe.fileno())) as outlet:
        room = fcntl.fcntl(pipe.fileno(), 1031, 4096)
        put(outlet, line(1, room))  # more than there is room for
        outlet.put(line(2))
        outlet.flush()
        os.close(reading)
        outlet.flush()
        assert not outlet.writing, "the loop would wait for room, and find an error each time"
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        got = os.read(reading, 1 << 16)
        outlet.put(line(3))
        outlet.put_first(line(4))
        outlet.flush()
        assert sorted(numbers(got + os.read(reading, 1 << 16))) == [1, 3, 4]
        assert outlet.take_dropped() == 1
        assert outlet._size == 0
    os.close(reading)


def test_what_was_dropped_is_told_once_there_is_room_for_that(
    reader: Reader, outlet: Outlet
) -> None:
    fill(outlet)
    outlet.put(line(1) + line(2))
    assert outlet.take_dropped() == 0, "the line that tells would be dropped, and the count lost"
    reader.read_all(outlet)
    assert outlet.take_dropped() == 2


@pytest.mark.parametrize("number", ["EDQUOT", "ENOBUFS", "ENOMEM"])
def test_a_want_that_ends_by_itself_costs_no_line(
    reader: Reader, outlet: Outlet, number: str
) -> None:
    def refuse(_: bytes) -> int:
        raise OSError(getattr(errno, number), number)

    write, outlet._write = outlet._write, refuse
    outlet.put(line(1))
    outlet.flush()
    outlet._write = write
    assert numbers(reader.read_all(outlet)) == [1]


def test_a_full_disk_is_a_reader_that_stands_still() -> None:
    with Path("/dev/full").open("wb") as full, closing(Outlet(full.fileno())) as outlet:
        outlet.put(line(1))
        outlet.flush()
        assert outlet.writing
        assert not outlet.closed


def test_a_file_that_took_no_lines_takes_them_again_and_says_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "log"
    most, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("ab") as file, closing(Outlet(file.fileno())) as outlet:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            for n in range(3):
                outlet.put(line(n, 700))
            for _ in range(2):  # what fits, and what does not
                outlet.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        assert (outlet.closed, outlet.writing, outlet.take_dropped()) == (False, False, 0)
        outlet.put(line(3))
        outlet.flush()
        assert numbers(path.read_bytes()) == [0, 1, 3]
        assert outlet.take_dropped() == 1


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


OURS = b'{"timestamp":"t","n":3}\n'


@pytest.mark.parametrize(
    "junk",
    [
        *(b"words", b"[1]", b'{"n":9}{"n":9}', b'{"n":NaN}', b'{"n":"\xff"}', b"{", b"\x00"),
        *(b'{"n":"%s"}' % (b"x" * MAX_LINE_BYTES), b'{"n":' * 3000 + b"9" + b"}" * 3000),
        b'{"timestamp":"',
    ],
)
def test_what_is_no_line_of_ours_is_a_stray_and_hides_none(
    reader: Reader, outlet: Outlet, ends: Ends, junk: bytes
) -> None:
    ends.write(line(1) + junk + b"\n" + line(2), ends.lines.drain)
    assert numbers(reader.read_all(outlet)) == [1, 2]
    ends.write(b"\nhalf" + OURS + b'{\n"n":4}\n', ends.lines.drain)
    assert numbers(reader.read_all(outlet)) == [3]
    assert ends.strays == [junk, b"half", b"{", b'"n":4}']


@pytest.mark.parametrize(
    ("junk", "told"),
    [
        (b'{"n":9}{"n":9}\n\n', [b'{"n":9}{"n":9}']),
        (b'\n{"n":9}{"n":9}\n', [b'{"n":9}{"n":9}']),
        (b'{"n":9}{"n":9}\n \n', [b'{"n":9}{"n":9}', b" "]),
        (b'{"n":[9\n]}{"n":9}\n', [b'{"n":[9', b']}{"n":9}']),
    ],
)
def test_as_many_objects_as_newlines_make_no_lines_of_ours(
    reader: Reader, outlet: Outlet, ends: Ends, junk: bytes, told: list[bytes]
) -> None:
    ends.write(line(1) + junk + line(2), ends.lines.drain)
    assert numbers(reader.read_all(outlet)) == [1, 2]
    assert ends.strays == told


def test_a_flood_of_strays_is_bounded_and_what_was_dropped_is_counted(
    reader: Reader, outlet: Outlet, ends: Ends
) -> None:
    ends.write(b"x\n" * 2000 + line(1), lambda: None)
    ends.lines.drain()
    assert numbers(reader.read_all(outlet)) == [1]
    assert len(ends.strays) + outlet.dropped == 2000
    assert outlet.dropped == 1000


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


def test_the_buffer_stays_bounded_whoever_dies_or_speaks(outlet: Outlet, ends: Ends) -> None:
    fill(outlet)
    before, dropped = outlet._size, outlet.dropped
    outlet.put(line(1) * 2)
    assert (outlet._size, outlet.dropped) == (before, dropped + 2)
    while outlet._size < 2 * BUFFER_BYTES:
        ends.write(line(2) * 100, lambda: None)
        ends.lines.drain(last=True)
    before, dropped = outlet._size, outlet.dropped
    ends.write(line(3) * 3, lambda: None)
    ends.lines.drain(last=True)
    assert (outlet._size, outlet.dropped) == (before, dropped + 3)
    outlet.put_first(line(4))
    assert outlet._size == before + len(line(4))


def test_a_stranger_who_writes_on_for_ever_does_not_hold_us(outlet: Outlet, ends: Ends) -> None:
    class Endless(LinePipe):
        def _take(self, chunk: bytes, last: bool) -> bool:
            os.write(ends.writing, b"\n" * PIPE_BYTES)
            return super()._take(chunk, last)

    os.write(ends.writing, b"\n" * PIPE_BYTES)
    Endless(ends.fd, outlet, ends.stray).drain(last=True)
