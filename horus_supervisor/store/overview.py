"""What a namespace holds as a whole, as typed rows: queues, supervisors, who runs what."""

from __future__ import annotations

from typing import Any

import msgspec

from horus_supervisor.store.operation import Reply
from horus_supervisor.store.rows import Holding, read_holding, score_ms, text, unpack


class QueueRow(msgspec.Struct, frozen=True):
    """A queue: counters since its first job, and what is in it now."""

    queue: str
    enqueued: int
    succeeded: int
    discarded: int
    ready: int
    scheduled: int
    dead: int
    oldest_ready_ms: int | None
    paused: bool = False
    next_due_ms: int | None = None


class SupervisorRow(msgspec.Struct, frozen=True):
    """A registered supervisor and what it last told of itself (``facts``)."""

    supervisor: str
    beat: int
    lease_ms: int
    started_ms: int
    facts: dict[str, Any]


class Overview(msgspec.Struct, frozen=True):
    """Everything at one moment of Redis's clock."""

    now_ms: int
    queues: tuple[QueueRow, ...]
    supervisors: tuple[SupervisorRow, ...]
    slots: dict[str, Holding | None] = msgspec.field(default_factory=dict)
    crashing: frozenset[str] = frozenset()  # classes that crashed since their last success
    held: dict[str, int] = msgspec.field(default_factory=dict)  # those held back -> jobs parked


def read_overview(reply: Reply) -> Overview:
    """Read the reply of overview."""
    now_ms, queues, supervisors, own, classes = reply
    return Overview(
        int(now_ms),
        tuple(_queue_row(queues[i : i + 11]) for i in range(0, len(queues), 11)),
        tuple(read_supervisors(supervisors)),
        {text(k): read_holding(text(k), text(v)) for k, v in zip(own[::2], own[1::2], strict=True)},
        frozenset(map(text, classes[::3])),
        {text(classes[i]): classes[i + 2] for i in range(0, len(classes), 3) if classes[i + 1]},
    )


def _queue_row(row: Reply) -> QueueRow:
    head = unpack(row[7]) if row[7] else None
    oldest = (head.due_ms or head.enqueued_ms) if head else None
    enqueued, succeeded, discarded, ready, scheduled, dead = (int(value) for value in row[1:7])
    counts = (enqueued, succeeded, discarded, ready, scheduled, dead)
    return QueueRow(text(row[0]), *counts, oldest, bool(row[9]), score_ms(row[10]))


def read_supervisors(reply: Reply) -> list[SupervisorRow]:
    """Read the reply of supervisors; what no keeper wrote is none."""
    rows = (_supervisor_row(text(i), s) for i, s in zip(reply[::2], reply[1::2], strict=True))
    return [row for row in rows if row]


def _supervisor_row(supervisor: str, value: bytes) -> SupervisorRow | None:
    try:
        beat, lease, started, rest = value.split(b" ", 3)
        facts = msgspec.json.decode(rest, type=dict[str, Any])
        return SupervisorRow(supervisor, int(beat), int(lease), int(started), facts)
    except (ValueError, msgspec.DecodeError):
        return None
