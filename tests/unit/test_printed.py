"""What was printed becomes lines that say so; the last ones are kept."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from horus_supervisor import messages
from horus_supervisor.supervisor.outlet import Outlet
from horus_supervisor.supervisor.output import LINE_MAX_BYTES, TAIL_LINES, OutputPipe
from tests.support.outlets import Ends, Reader, ends, fill, outlet, reader

__all__ = ["ends", "outlet", "reader"]  # fixtures

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


def test_words_between_marks_are_the_jobs(reader: Reader, outlet: Outlet, ends: Ends) -> None:
    mark = messages.words_of(b"j1\0shop.Mail\0q", 2)
    os.write(ends.writing, b"before" + mark + b"mine\nmy last" + messages.ENDED + b"after\n")
    ends.output.drain()
    found = printed(reader, outlet)
    assert [line["text"] for line in found] == ["before", "mine", "my last", "after"]
    assert [line.get("job_id") for line in found] == [None, "j1", "j1", None]
    assert (found[1]["job"], found[1]["queue"], found[1]["attempt"]) == ("shop.Mail", "q", 2)
    assert list(ends.output.tail) == ["after"]


@pytest.mark.parametrize(
    "whose", [b"a\0b", b"a\0b\0c\0" + b"1" * 5000, b"a\0b\0c\0-1", "a\0b\0c\0²".encode(), b"\0"]
)
def test_a_mark_that_is_none_of_ours_is_printed_as_it_is(
    reader: Reader, outlet: Outlet, ends: Ends, whose: bytes
) -> None:
    ours = messages.words_of(b"j1\0shop.Mail\0q", 2)
    os.write(ends.writing, ours + messages.WORDS + whose + b"\nmine\n")
    ends.output.drain()
    found = printed(reader, outlet)
    assert [line["text"] for line in found] == [(messages.WORDS + whose).decode(), "mine"]
    assert [line.get("job_id") for line in found] == ["j1", "j1"]


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
