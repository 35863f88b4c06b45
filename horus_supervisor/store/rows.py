"""What Redis's replies mean: packed jobs, slots and crash records as typed rows."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from horus_supervisor.clock import rfc3339
from horus_supervisor.lifecycle import NEVER_MS, Disposition, JobState
from horus_supervisor.store.operation import Reply

UNREADABLE = "?"
"""The name that ``claim`` gives a job whose record is none of ours."""


def text(value: Any) -> str:
    """Read a reply's value as text; what is none, which no script wrote, is shown as ``\\xff``."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


class Slot(msgspec.Struct, frozen=True):
    """A runner's place: slot number of a supervisor, and which life in it."""

    supervisor: str
    number: int
    incarnation: int

    @property
    def key(self) -> str:
        return f"{self.supervisor}/{self.number}"


class Packed(msgspec.Struct, frozen=True, gc=False):  # made for every job: faster than a dataclass
    """A job as it lies in Redis. Zero means: not set. Times are milliseconds since 1970."""

    attempts: int
    crashes: int
    losses: int
    fence: int
    due_ms: int
    max_attempts: int
    max_crashes: int
    timeout_ms: int
    enqueued_ms: int
    queue: str
    name: str
    payload: bytes
    expires_ms: int = 0
    tags: tuple[str, ...] = ()

    def is_late(self, now_ms: float) -> bool:
        """Whether it is past its expiry: a claim would discard it."""
        return 0 < self.expires_ms <= now_ms


class Claimed(msgspec.Struct, frozen=True, gc=False):
    """A job that is now held. ``job`` is None where its record can't be read."""

    job_id: str
    queue: str
    started_ms: int
    job: Packed | None
    last: bytes = b""
    """The history's line of its last attempt, where it was started before: ``read_note``."""

    @property
    def attempt(self) -> int:
        return self.job.attempts + 1 if self.job else 1

    @property
    def fence(self) -> int:
        return self.job.fence + 1 if self.job else 1


class Stale(msgspec.Struct, frozen=True, gc=False):
    """The call changed nothing: ``stale`` (another holds the slot) or ``no member``."""

    word: str


class Expired(NamedTuple):
    """A job that was discarded instead of started."""

    job_id: str
    queue: str
    attempt: int
    """How many attempts it had had."""
    name: str


class Turned(msgspec.Struct, frozen=True, gc=False):
    """The call was carried out: how the last job ended (``-``: none), and the next one."""

    done: str
    claimed: Claimed | None
    more: bool = False
    """Nothing was claimed, but there may be something: call again."""
    expired: tuple[Expired, ...] = ()
    """Jobs that were discarded on the way, as they were past their expiry."""


Turn = Turned | Stale


class Joined(msgspec.Struct, frozen=True):
    """What became of a ``join`` or ``kick``; with ``ok``, the classes to be wary of."""

    word: str
    crashing: frozenset[str] = frozenset()
    """They brought down a runner since one of their jobs last succeeded."""
    held: frozenset[str] = frozenset()
    """Their jobs are to be parked."""


class Settled(msgspec.Struct, frozen=True):
    """What became of a job in a retired supervisor's slot."""

    slot: str
    disposition: Disposition
    job_id: str
    queue: str
    attempt: int
    job: str


class Note(msgspec.Struct, frozen=True):
    """A line of a job's history: failed, deferred, refused, crashed, killed, lost, ..."""

    at_ms: int
    what: str
    attempt: int
    fence: int
    facts: dict[str, Any]


class Holding(msgspec.Struct, frozen=True):
    """A slot with a job in it."""

    slot: str
    incarnation: int
    job_id: str
    attempt: int
    started_ms: int
    queue: str


class Listed(msgspec.Struct, frozen=True):
    """A job in a list: its record, and since when it is due or dead, or who runs it."""

    job_id: str
    state: JobState
    job: Packed
    since_ms: int | None
    holding: Holding | None


class Found(msgspec.Struct, frozen=True):
    """All that is known of one job; ``job`` is None where only its end is known."""

    job_id: str
    state: JobState
    job: Packed | None
    since_ms: int | None
    holding: Holding | None
    history: tuple[Note, ...]


class _Numbers(dict[bytes, int]):
    """Digits -> number; zero is written as nothing."""

    def __missing__(self, digits: bytes) -> int:
        return int(digits)


_numbers = _Numbers({b"": 0})


def unpack(value: bytes) -> Packed | None:
    """Read a packed job; None where it is none of ours."""
    head, newline, payload = value.partition(b"\n")
    if not newline:
        return None
    try:
        parts = head.split(b" ")
        counts = map(_numbers.__getitem__, parts[:9])
        if len(parts) == 11:
            return Packed(*counts, parts[9].decode(), parts[10].decode(), payload)  # type: ignore[call-arg, arg-type]
        queue, name, expires, tags = parts[9:]
        tags = tags.removeprefix(b"!")  # its class has an on_crash
        marks = tuple(tags.decode().split(",")) if tags else ()
        named = (queue.decode(), name.decode(), payload)
        return Packed(*counts, *named, _numbers[expires], marks)  # type: ignore[call-arg, arg-type]
    except (ValueError, TypeError):  # no numbers, or not as many
        return None


_STALE = ("stale", "no member")
_NEXT = ("empty", "job", "more")


def read_turn(reply: Reply) -> Turn:
    """Read the reply of claim, finish or fail."""
    if len(reply) == 6:
        done, _, job_id, queue, started_ms, packed = reply
        claimed = Claimed(text(job_id), queue.decode(), int(started_ms), _readable(packed))
        return Turned(done.decode(), claimed)
    if len(reply) == 1:
        return Stale(_one_of(_STALE, reply[0]))
    return _read_longer(text(reply[0]), _one_of(_NEXT, reply[1]), reply[2:])


def _one_of(words: tuple[str, ...], reply: Reply) -> str:
    """Read a word; raises ``ValueError`` for another one: such a reply is to another's call."""
    if (word := text(reply)) not in words:
        raise ValueError(f"{word!r} is none of {words}")
    return word


def read_joined(reply: Reply) -> Joined:
    """Read the reply of join or kick."""
    word, *names = map(text, reply)
    if not names:
        return Joined(word)
    held = frozenset(name[1:] for name in names if name.startswith("!"))
    return Joined(word, frozenset(n for n in names if not n.startswith("!")), held)


def _read_longer(done: str, word: str, rest: list[Any]) -> Turned:
    """Read a turn that brought no job, or one that was started before, or expired ones."""
    expired: tuple[Expired, ...] = ()
    if rest and isinstance(rest[-1], list):
        *rest, late = rest
        expired = tuple(map(_expired, late))
    if word != "job":
        return Turned(done, None, word == "more", expired)
    job_id, queue, started_ms, packed, last = rest
    claimed = Claimed(text(job_id), text(queue), int(started_ms), _readable(packed), last)
    return Turned(done, claimed, False, expired)


def _expired(late: bytes) -> Expired:
    job_id, queue, attempts, name = text(late).split(" ", 3)
    return Expired(job_id, queue, int(attempts), name)


def _readable(packed: bytes) -> Packed | None:
    job = unpack(packed)
    return job if job and job.name != UNREADABLE else None


_HELD = re.compile(r"(\d+) \d+ held \S+ (\S+) \d+ (\d+) (\d+) \d+ \d+ (\S+)$")


def read_holding(slot: str, own: str) -> Holding | None:
    """Read a slot's text; None where it holds nothing."""
    match = _HELD.match(own)
    if not match:
        return None
    incarnation, job_id, attempt, started_ms, queue = match.groups()
    return Holding(slot, int(incarnation), job_id, int(attempt), int(started_ms), queue)


def score_ms(value: bytes) -> int | None:
    """Read a score of a sorted set; None for '' and for what is no time, which no script wrote."""
    number = float(value or "nan")
    return int(number) if 0 <= number <= NEVER_MS else None


def _holding(value: bytes) -> Holding | None:
    slot, _, own = text(value).partition(" ")
    return read_holding(slot, own)


_UNREADABLE = (KeyError, ValueError, msgspec.MsgspecError)


def read_note(line: bytes) -> Note:
    """Read a line of a job's history; one that no script wrote hides none of the others."""
    try:
        at_ms, what, attempt, fence, facts = line.split(b" ", 4)
        told = msgspec.json.decode(facts, type=dict[str, Any])
        return Note(int(at_ms), text(what), int(attempt), int(fence), told)
    except _UNREADABLE:
        return Note(0, "unreadable", 0, 0, {})


def read_found(job_id: str, reply: Reply) -> Found:
    """Read the reply of find."""
    state, packed, since, slot, *history = reply
    notes = tuple(read_note(line) for line in history)
    return Found(
        job_id, JobState(text(state)), unpack(packed), score_ms(since), _holding(slot), notes
    )


def read_listed(state: JobState, queue: str | None, reply: Reply) -> list[Listed]:
    """Read the reply of list; a record that is none of ours is a job without a name."""
    rows = []
    for i in range(0, len(reply), 4):
        job_id, packed, since, slot = reply[i : i + 4]
        job = unpack(packed) or _nameless(packed, queue)
        rows.append(Listed(text(job_id), state, job, score_ms(since), _holding(slot)))
    return rows


_COUNTS = re.compile(rb"(\d*) (\d*) (\d*) (\d*) ")


def _nameless(packed: bytes, queue: str | None) -> Packed:
    """Tell of a record that ``unpack`` can't read what the scripts go by: people must see it."""
    match = _COUNTS.match(packed)
    digits = match.groups() if match else (b"",) * 4
    attempts, crashes, losses, fence = map(_numbers.__getitem__, digits)
    named = (queue or UNREADABLE, UNREADABLE, packed)
    return Packed(attempts, crashes, losses, fence, 0, 1, 0, 0, 0, *named)


def read_crashes(reply: Reply) -> tuple[list[dict[str, Any]], str]:
    """Read crash records, and which entry was the last.

    They are the supervisor's facts, corrected by what Redis knew of the job.
    """
    records = [_read_crash(text(at), dict(zip(v[::2], v[1::2], strict=True))) for at, v in reply]
    return records, text(reply[-1][0]) if reply else ""


def _read_crash(at: str, pairs: dict[bytes, bytes]) -> dict[str, Any]:
    try:
        return _whole_crash(pairs)
    except _UNREADABLE:  # none of ours, and hides none of the others
        when = rfc3339(int(at.partition("-")[0]) / 1000)
        why = f"no crash record: entry {at} of the stream `crashes` can't be read"
        return {
            "crash_id": at,
            "timestamp": when,
            "disposition": str(Disposition.NONE),
            "note": why,
        }


def _whole_crash(pairs: dict[bytes, bytes]) -> dict[str, Any]:
    stored = {text(k): text(v) for k, v in pairs.items() if k != b"args"}
    record: dict[str, Any] = msgspec.json.decode(stored["record"], type=dict[str, Any])
    record |= {"crash_id": stored["crash_id"], "disposition": stored["disposition"]}
    if stored["job_id"]:
        record |= {key: stored[key] for key in ("job_id", "job", "queue")}
        record["attempt"] = int(stored["attempt"])
        record["args"] = _args(pairs.get(b"args", b""))
        record["started_at"] = rfc3339(int(stored["started_ms"]) / 1000)
    else:
        names = ("job_id", "job", "queue", "attempt", "args", "started_at", "ran_for_s")
        record |= dict.fromkeys(names)
    return record


def _args(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload) if payload else None
    except msgspec.DecodeError:
        return None
