"""Rows in shared memory: what a reader sees while another process writes, dies or lies."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from horus_supervisor.scoreboard import (
    SLOT_BYTES,
    SLOTS,
    Control,
    Phase,
    Row,
    Scoreboard,
    SlotWriter,
)
from tests.support.waiting import wait_until

NEVER_NS = 1 << 62


def test_the_keepers_signs_of_life_are_counted_apart_from_the_supervisors_turns(
    board: Scoreboard,
) -> None:
    other = Scoreboard(board.fd)
    board.tick()
    other.keeper_tick()
    other.keeper_tick()
    assert (board.ticks, board.keeper_ticks) == (1, 2)


def execute(
    writer: SlotWriter, seq: int, text: bytes = b"id\0job\0queue", deadline_ns: int = 0
) -> None:
    writer.executing(seq, 2, 3, 4, deadline_ns, 6, text)


@contextmanager
def writing(board: Scoreboard, code: str) -> Iterator[None]:
    """Let another process run ``code`` again and again, with a ``writer`` for slot 5 of ours."""
    program = (
        "from horus_supervisor.scoreboard import *\n"
        f"writer = SlotWriter(Scoreboard({board.fd}), 5)\n"
        f"n = 0\nwhile True:\n    n += 1\n    {code}\n"
        "    for _ in range(20): pass\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], pass_fds=[board.fd])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def read_for(board: Scoreboard, seconds: float, look: Callable[[], object]) -> None:
    """Look again and again, from the moment that the other process writes."""
    wait_until(lambda: board.read(5).seq > 100, "the writer writes")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        look()


def test_a_row_is_read_as_it_was_written(board: Scoreboard) -> None:
    board.clear(5, 9)
    writer = SlotWriter(board, 5)
    writer.born(1234)
    writer.executing(1, 2, 3, 4, 5, 6, b"id\0job\0queue")
    row = board.read(5)
    assert (row.incarnation, row.pid, row.phase) == (9, 1234, Phase.EXECUTING)
    assert (row.seq, row.attempt, row.fence) == (1, 2, 3)
    assert (row.since_ns, row.deadline_ns, row.started_ms) == (4, 5, 6)
    assert (row.job_id, row.job, row.queue) == ("id", "job", "queue")
    assert not row.torn


def test_a_job_counts_as_executing_until_it_is_handed_in(board: Scoreboard) -> None:
    writer = SlotWriter(board, 5)
    execute(writer, 7)
    assert board.read(5).executing_seq == 7
    writer.finishing(1)
    assert (board.read(5).executing_seq, board.jobs_done(5)) == (7, 1)
    writer.phase(Phase.IDLE, 8)
    assert board.read(5).executing_seq == 0


def test_rows_do_not_touch_each_other(board: Scoreboard) -> None:
    empty = board.read(4), board.read(6)
    board.clear(5, 1)
    execute(SlotWriter(board, 5), 1, b"x" * 5000)
    board.control(5, Control.INTERRUPT)
    assert (board.read(4), board.read(6)) == empty


def test_the_last_slot_has_a_place(board: Scoreboard) -> None:
    execute(SlotWriter(board, SLOTS - 1), 3)
    assert board.read(SLOTS - 1).seq == 3


def test_a_cleared_row_shows_nothing_of_the_last_life(board: Scoreboard) -> None:
    board.clear(5, 1)
    board.control(5, Control.DRAIN)
    execute(SlotWriter(board, 5), 7, deadline_ns=1)
    board.clear(5, 2)
    row = board.read(5)
    assert (row.incarnation, row.phase, row.executing_seq) == (2, Phase.STARTING, 0)
    assert (row.job_id, row.jobs_done) == ("", 0)
    assert SlotWriter(board, 5).wanted == Control.RUN
    assert board.executing_past(5, NEVER_NS) == 0


def test_a_runner_reads_what_is_wanted_of_it(board: Scoreboard) -> None:
    writer = SlotWriter(board, 5)
    board.control(5, Control.INTERRUPT)
    assert writer.wanted == Control.INTERRUPT
    execute(writer, 1)
    assert writer.wanted == Control.INTERRUPT


def test_turns_are_counted_whatever_others_write_there(board: Scoreboard) -> None:
    board.tick()
    before = board.ticks
    board._words[0] = (1 << 63) - 1
    board.tick()
    assert board.ticks == before + 1


def test_only_an_executing_job_past_its_deadline_is_late(board: Scoreboard) -> None:
    writer = SlotWriter(board, 5)
    execute(writer, 7, deadline_ns=100)
    assert board.executing_past(5, 99) == 0
    assert board.executing_past(5, 100) == 7
    writer.finishing(1)
    assert board.executing_past(5, 100) == 0
    execute(writer, 8)
    assert board.executing_past(5, NEVER_NS) == 0


def test_a_reader_never_takes_a_half_written_row_for_a_whole_one(board: Scoreboard) -> None:
    code = "writer.executing(n, n, n, n, 0, n, b'%d\\0%d\\0%d' % (n, n, n))"
    rows: list[Row] = []
    with writing(board, code):
        read_for(board, 0.5, lambda: rows.append(board.read(5)))
    whole = [row for row in rows if not row.torn]
    assert len(whole) > 100
    for row in whole:
        n = row.seq
        assert (row.attempt, row.fence, row.since_ns, row.started_ms) == (n, n, n, n)
        assert (row.job_id, row.job, row.queue) == (str(n), str(n), str(n))


def test_no_job_is_late_by_the_deadline_of_the_one_before(board: Scoreboard) -> None:
    """Odd claims are late, even ones never."""
    seen: set[int] = set()

    def some() -> bool:
        read_for(board, 0.5, lambda: seen.add(board.executing_past(5, 1000)))
        return bool(seen - {0})

    with writing(board, f"writer.executing(n, n, n, n, 1 if n % 2 else {NEVER_NS}, n, b'')"):
        wait_until(some, "a late claim")
    late = seen - {0}
    assert late
    assert [seq for seq in late if seq % 2 == 0] == []


def test_a_row_whose_writer_died_in_it_is_torn(board: Scoreboard) -> None:
    writer = SlotWriter(board, 5)
    execute(writer, 7)
    writer._words[0] += 1  # and no more
    row = board.read(5)
    assert row.torn
    assert row.seq == 7


@pytest.mark.parametrize("byte", [0x00, 0x7F, 0x80, 0xFF])
def test_any_bytes_in_a_row_can_be_read(board: Scoreboard, byte: int) -> None:
    at = 6 * SLOT_BYTES
    board._bytes[at : at + SLOT_BYTES] = bytes([byte]) * SLOT_BYTES
    row = board.read(5)
    assert isinstance(row.phase, Phase)
    assert len(row.job_id) <= 768
    assert isinstance(board.executing_past(5, time.monotonic_ns()), int)
    board.clear(5, 1)
    assert board.read(5).incarnation == 1


def test_texts_that_do_not_fit_are_cut_not_spilled(board: Scoreboard) -> None:
    execute(SlotWriter(board, 5), 1, ("i" * 128 + "\0" + "ü" * 2000 + "\0q").encode())
    row = board.read(5)
    assert row.job_id == "i" * 128
    assert row.job.startswith("üüü")
    assert SlotWriter(board, 5).wanted == Control.RUN
