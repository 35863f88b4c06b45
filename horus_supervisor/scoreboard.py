"""What every runner is doing, in shared memory: answers "which job was it?" without Redis.

One row a slot, 1 KiB, in a memory file that supervisor, template, runners and keeper share. A row
is written by its runner alone, in microseconds, but for the last line of it, the control word,
which is the supervisor's. Words are stored through ``memoryview.cast``: one machine store each
(``struct.pack_into`` zero-fills first and is seen torn: 10-19 % of reads). A version counter is odd
while a row changes; a reader that meets that looks again, a few times. It relies on x86's order of
stores; a row that is torn for good (its writer died in it) reads as ``torn``.

Nothing acts on a pid or a length read here: job code shares this memory and may write anything.
"""

from __future__ import annotations

import mmap
import os
from enum import IntEnum

import msgspec

SLOT_BYTES = 1024
SLOTS = 4096  # sparse: a page that no runner touched costs nothing
BYTES = SLOT_BYTES * (SLOTS + 1)
NOBODY_KNOWS = -1
"""For the seq of a row that job code has written over: its job may have begun."""

_WORDS = SLOT_BYTES // 8
_TEXT = 128  # where id, name and queue lie, parted by NUL
_TEXT_MAX = 768
_CONTROL = _WORDS - 8

_TICKS, _KEEPER_TICKS, _ALARMS, _AWAY = range(4)
"""Words for all, where slot 0 would have its row: those of the slots come after."""

_VERSION, _INCARNATION, _PID, _PHASE, _SEQ, _ATTEMPT, _FENCE = range(7)
_SINCE, _DEADLINE, _DONE, _STARTED, _LENGTH, _BEATS = range(7, 13)


class Phase(IntEnum):
    """What a runner is at."""

    EMPTY = 0
    STARTING = 1
    IDLE = 2
    EXECUTING = 3
    FINISHING = 4
    LEFT = 5


_EXECUTING, _FINISHING = int(Phase.EXECUTING), int(Phase.FINISHING)


class Control(IntEnum):
    """What the supervisor wants of a runner."""

    RUN = 0
    DRAIN = 1  # leave after the current job
    INTERRUPT = 2  # leave now: JobInterrupted in the job


class Row(msgspec.Struct, frozen=True):
    """A slot as it was read. Nanoseconds are monotonic, ``started_ms`` is Redis's clock."""

    incarnation: int
    pid: int
    phase: Phase
    seq: int
    attempt: int
    fence: int
    since_ns: int
    deadline_ns: int
    jobs_done: int
    started_ms: int
    job_id: str
    job: str
    queue: str
    torn: bool

    @property
    def executing_seq(self) -> int:
        """The claim whose job was in ``execute`` or is being handed in.

        0 for none; below, or later than any claim, where job code wrote over it.
        """
        return self.seq if self.phase in (Phase.EXECUTING, Phase.FINISHING) else 0


class Scoreboard:
    """All rows. Owns its mapping of the memory file, not the descriptor."""

    def __init__(self, fd: int) -> None:
        if os.fstat(fd).st_size < BYTES:
            os.ftruncate(fd, BYTES)
        self.fd = fd
        self._map = mmap.mmap(fd, BYTES)
        self._bytes = memoryview(self._map)
        self._words = self._bytes.cast("q")
        self._turns = 0

    def close(self) -> None:
        """Unmap the file, once every ``SlotWriter`` here is closed."""
        self._words.release()
        self._bytes.release()
        self._map.close()

    def tick(self) -> None:
        """Count a turn of the supervisor's loop; a loop that stands still loses its lease."""
        self._turns += 1
        self._words[_TICKS] = self._turns

    @property
    def ticks(self) -> int:
        """Turns of the supervisor's loop so far."""
        return self._words[_TICKS]

    def keeper_tick(self) -> None:
        """Count a sign of the keeper's life; one that makes none is replaced (keeper only)."""
        self._words[_KEEPER_TICKS] += 1

    @property
    def keeper_ticks(self) -> int:
        """Signs of life of this board's keepers so far."""
        return self._words[_KEEPER_TICKS]

    def alarm(self) -> None:
        """Have runners look, at their next success, which classes crash (keeper only)."""
        self._words[_ALARMS] += 1

    def redis_away(self, away: bool) -> None:
        """Say that Redis is away, which each runner then notices too (keeper only)."""
        self._words[_AWAY] = away

    @property
    def redis_is_away(self) -> bool:
        """What was said last of Redis: a keeper that follows another finds it."""
        return self._words[_AWAY] != 0

    def control(self, slot: int, control: Control) -> None:
        """Say what is wanted of a slot's runner (supervisor only)."""
        self._words[(slot + 1) * _WORDS + _CONTROL] = control

    def disown(self, slot: int) -> None:
        """Say that nobody knows what a slot's runner had in hand: it counts as started."""
        self._words[(slot + 1) * _WORDS + _PHASE] = -1

    def clear(self, slot: int, incarnation: int) -> None:
        """Make a row ready for a runner that does not live yet (supervisor only)."""
        at = (slot + 1) * _WORDS
        self._words[at + _CONTROL] = Control.RUN
        for word in range(_BEATS + 1):
            self._words[at + word] = 0
        self._words[at + _INCARNATION] = incarnation
        self._words[at + _PHASE] = Phase.STARTING

    def executing_past(self, slot: int, now_ns: int) -> int:
        """Tell the seq of a job past its deadline, else 0. Cheap: a few words."""
        w, at = self._words, (slot + 1) * _WORDS
        seq, deadline = w[at + _SEQ], w[at + _DEADLINE]
        late = 0 < deadline <= now_ns and w[at + _PHASE] == Phase.EXECUTING
        return seq if late and w[at + _SEQ] == seq else 0  # a deadline of this very job

    def phase(self, slot: int) -> int:
        """Tell a slot's phase, if it is one: job code may write anything. Cheap: one word."""
        return self._words[(slot + 1) * _WORDS + _PHASE]

    def beats(self, slot: int) -> int:
        """Signs of life that a slot's runner has made outside of jobs. Cheap: one word."""
        return self._words[(slot + 1) * _WORDS + _BEATS]

    def jobs_done(self, slot: int) -> int:
        """Tell how many jobs a slot's runner has executed. Cheap: one word."""
        return self._words[(slot + 1) * _WORDS + _DONE]

    def read(self, slot: int) -> Row:
        """Read a row whole; bounded, as its writer may have died in mid-write."""
        at = (slot + 1) * _WORDS
        for _ in range(8):
            version = self._words[at]
            row = self._read(slot, torn=bool(version & 1))
            if not version & 1 and self._words[at] == version:
                return row
        return self._read(slot, torn=True)

    def _read(self, slot: int, *, torn: bool) -> Row:
        at = (slot + 1) * _WORDS
        w = self._words[at : at + _LENGTH + 1]
        length = min(max(w[_LENGTH], 0), _TEXT_MAX)
        start = at * 8 + _TEXT
        parts = bytes(self._bytes[start : start + length]).decode("utf-8", "replace").split("\0")
        job_id, job, queue = (*parts, "", "", "")[:3]
        known = 0 <= w[_PHASE] <= Phase.LEFT
        phase, seq = (Phase(w[_PHASE]), w[_SEQ]) if known else (Phase.EXECUTING, NOBODY_KNOWS)
        numbers = (seq, w[_ATTEMPT], w[_FENCE], w[_SINCE], w[_DEADLINE], w[_DONE], w[_STARTED])
        return Row(w[_INCARNATION], w[_PID], phase, *numbers, job_id, job, queue, torn)


class SlotWriter:
    """A runner's own row: the only one who writes it."""

    def __init__(self, board: Scoreboard, slot: int) -> None:
        at = (slot + 1) * _WORDS
        self._words = board._words[at : at + _WORDS]
        self._text = board._bytes[at * 8 + _TEXT : at * 8 + _TEXT + _TEXT_MAX]
        self._common = board._words[:_WORDS]

    def close(self) -> None:
        """Let go of the row."""
        for view in (self._words, self._text, self._common):
            view.release()

    @property
    def alarms(self) -> int:
        """How often the keeper has raised the alarm."""
        return self._common[_ALARMS]

    @property
    def redis_away(self) -> bool:
        """Whether the keeper can't reach Redis either."""
        return self._common[_AWAY] != 0

    @property
    def wanted(self) -> int:
        """What the supervisor wants: a ``Control``."""
        return self._words[_CONTROL]

    @property
    def deadline_ns(self) -> int:
        """Monotonic nanoseconds at which the current job is late; 0 for never."""
        return self._words[_DEADLINE]

    def born(self, pid: int) -> None:
        """Note this process's id."""
        self._words[_PID] = pid

    def beat(self) -> None:
        """Make a sign of life; a runner that makes none outside of jobs is replaced."""
        self._words[_BEATS] += 1

    def phase(self, phase: Phase, now_ns: int) -> None:
        """Note what the runner is at now."""
        w = self._words
        w[_VERSION] += 1
        w[_PHASE] = phase
        w[_SINCE] = now_ns
        w[_VERSION] += 1

    def executing(
        self,
        seq: int,
        attempt: int,
        fence: int,
        now_ns: int,
        deadline_ns: int,
        started_ms: int,
        text: bytes,
    ) -> None:
        """Note the job that is about to run; ``text`` is id, name and queue, parted by NUL."""
        w = self._words
        text = text[:_TEXT_MAX]
        version = w[_VERSION]
        w[_VERSION] = version + 1
        w[_DEADLINE] = 0  # first: the last job's, with this one's phase, would say that it is late
        w[_PHASE] = _EXECUTING
        w[_SEQ] = seq
        w[_ATTEMPT] = attempt
        w[_FENCE] = fence
        w[_SINCE] = now_ns
        w[_STARTED] = started_ms
        self._text[: len(text)] = text
        w[_LENGTH] = len(text)
        w[_DEADLINE] = deadline_ns
        w[_VERSION] = version + 2

    def finishing(self, jobs_done: int) -> None:
        """Note that ``execute`` is over and the job is being handed in.

        Either word is true without the other, so that readers need no new version.
        """
        self._words[_PHASE] = _FINISHING
        self._words[_DONE] = jobs_done
