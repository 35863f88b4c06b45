"""A store as tests see it: calls in few words, and all that lies in Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from horus_supervisor.lifecycle import Death, Fate, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import (
    Claimed,
    Found,
    Settled,
    Slot,
    Stale,
    Turn,
    Turned,
)

if TYPE_CHECKING:
    import redis

T = TypeVar("T")

QUEUE = "emails"
HOUR_MS = 3_600_000
LIMITS = {"max_crashes": 3, "crash_delay_ms": HOUR_MS}
Contents = dict[str, Any]


class Store:
    """One namespace through one driver, with a plain client to look behind its back."""

    def __init__(
        self, run: Callable[[Operation[Any]], Any], namespace: str, raw: redis.Redis
    ) -> None:
        self._run = run
        self.namespace = namespace
        self.prefix = operations.prefix(namespace)
        self.raw: Any = raw  # redis-py's types leave open what decode_responses decides

    def run(self, operation: Operation[T]) -> T:
        result: T = self._run(operation)
        return result

    def contents(self) -> Contents:
        """Read every key of the namespace."""
        pattern = self.prefix.encode() + b"*"
        return {
            key.decode().removeprefix(self.prefix): _read(self.raw, key)
            for key in sorted(self.raw.keys(pattern))
        }

    @contextmanager
    def noted_calls(self) -> Iterator[list[bytes]]:
        """Give, after the block, what it had Redis do, the last one first."""
        before = self.raw.config_get("slowlog-*")
        noted: list[bytes] = []
        self.raw.config_set("slowlog-max-len", 1000, "slowlog-log-slower-than", 0)
        self.raw.slowlog_reset()
        try:
            yield noted
            noted += [entry["command"] for entry in self.raw.slowlog_get(1000)]
        finally:
            for name, value in before.items():
                self.raw.config_set(name, value)

    def repeated(self, operation: Operation[T]) -> T:
        """Run a call twice, as after a lost reply: the same reply, and nothing changed by it."""
        first = self.run(operation)
        before = self.contents()
        assert self.run(operation) == first
        assert self.contents() == before
        return first

    def repeated_once(self, operation: Operation[T]) -> tuple[T, T]:
        """Run a call twice that tells whether it was the first; the second changes nothing."""
        first = self.run(operation)
        return first, self.without_effect(operation)

    def without_effect(self, operation: Operation[T]) -> T:
        """Run a call that must change nothing."""
        before = self.contents()
        reply = self.run(operation)
        assert self.contents() == before
        return reply

    # --- calls in few words --------------------------------------------------------------------

    def enqueue(
        self, job_id: str = "job", queue: str = QUEUE, *, max_attempts: int = 3, **more: Any
    ) -> Operation[bool]:
        args = {"name": "shop.Mail", "payload": b"[1]", **more}
        return operations.enqueue(
            self.namespace, job_id=job_id, queue=queue, max_attempts=max_attempts, **args
        )

    def add(self, *job_ids: str, **options: Any) -> None:
        for job_id in job_ids:
            assert self.run(self.enqueue(job_id, **options))

    def member(self, number: int = 0, incarnation: int = 1, supervisor: str = "sup") -> Slot:
        """Give the slot of a runner that has joined; its supervisor is registered on the way."""
        slot = Slot(supervisor, number, incarnation)
        assert self.run(operations.register(self.namespace, supervisor, 30_000, b"{}")) == "ok"
        assert self.run(operations.join(self.namespace, slot)).word == "ok"
        return slot

    def claim(
        self,
        slot: Slot,
        seq: int = 1,
        queues: Sequence[str] = (QUEUE,),
        *,
        woken: bool = False,
        **limits: int,
    ) -> Operation[Turn]:
        return operations.claim(
            self.namespace, slot, seq, queues, woken=woken, **{**LIMITS, **limits}
        )

    def finish(
        self,
        slot: Slot,
        seq: int = 2,
        outcome: str = "succeeded",
        queues: Sequence[str] = (QUEUE,),
    ) -> Operation[Turn]:
        return operations.finish(self.namespace, slot, seq, outcome, queues, **LIMITS)

    def fail(
        self,
        slot: Slot,
        seq: int = 2,
        what: str = "failed",
        wait_ms: int = HOUR_MS,
        queues: Sequence[str] = (QUEUE,),
    ) -> Operation[Turn]:
        return operations.fail(
            self.namespace, slot, seq, what, wait_ms, b'{"error_type":"E"}', queues, **LIMITS
        )

    def release(
        self, slot: Slot, seq: int = 2, queues: Sequence[str] = (QUEUE,), *, started: bool = False
    ) -> Operation[str]:
        return operations.release(self.namespace, slot, seq, queues, started=started)

    def crash(
        self,
        slot: Slot,
        executing: int = 1,
        death: Death = Death.CRASHED,
        record: bytes = b'{"cause":"signal"}',
    ) -> Operation[Fate]:
        return operations.crash(self.namespace, slot, executing, death, record)

    def retire(
        self,
        supervisor: str = "sup",
        *,
        beat: int | None = None,
        death: Death = Death.LOST,
        readable: bool = False,
        known: Sequence[tuple[str, int, Death, bytes]] = (),
    ) -> Operation[tuple[str, list[Settled]]]:
        record = b'{"cause":"host_lost"}'
        return operations.retire(
            self.namespace,
            supervisor,
            beat=beat,
            death=death,
            record=record,
            readable=readable,
            known=known,
        )

    # --- looking -------------------------------------------------------------------------------

    def found(self, job_id: str = "job") -> Found:
        return self.run(operations.find(self.namespace, job_id))

    def state(self, job_id: str = "job") -> JobState:
        return self.run(operations.state(self.namespace, job_id))

    def ready(self, queue: str = QUEUE) -> list[str]:
        """List the ids of a queue, the next to run first."""
        ids: list[bytes] = self.raw.lrange(f"{self.prefix}ready:{queue}", 0, -1)
        return [value.decode() for value in reversed(ids)]

    def tokens(self, queue: str = QUEUE) -> int:
        return int(self.raw.llen(f"{self.prefix}wake:{queue}"))

    def take_token(self, queue: str = QUEUE) -> bool:
        """Take a wake token, as an idle runner's BLPOP does."""
        return self.raw.lpop(f"{self.prefix}wake:{queue}") is not None

    def records(self) -> list[dict[str, Any]]:
        """List the crash records, newest first."""
        return self.run(operations.crashes(self.namespace, 1000))[0]

    def make_due(self, job_id: str, queue: str = QUEUE) -> None:
        """Let a scheduled job's time come."""
        assert self.raw.zadd(f"{self.prefix}scheduled:{queue}", {job_id: 1}, xx=True, ch=True) == 1
        self.raw.zadd(f"{self.prefix}due", {queue: 1}, xx=True)

    def promote(self) -> int:
        return self.run(operations.promote(self.namespace, 1000))

    def rotate(self) -> str:
        return self.run(operations.rotate(self.namespace))

    def age(self, milliseconds: int) -> None:
        """Let time go by since ids were last rotated."""
        key = self.prefix + "rotated"
        self.raw.set(key, int(self.raw.get(key)) - milliseconds)

    def counts(self, queue: str = QUEUE) -> dict[str, int]:
        """Count a queue's jobs by place, from what lies in Redis."""
        overview = self.run(operations.overview(self.namespace))
        [row] = [row for row in overview.queues if row.queue == queue]
        running = sum(1 for held in overview.slots.values() if held and held.queue == queue)
        names = ("enqueued", "succeeded", "discarded", "ready", "scheduled", "dead")
        return {name: getattr(row, name) for name in names} | {"running": running}


def claimed(turn: Turn) -> Claimed:
    """Give the job that a turn brought."""
    assert isinstance(turn, Turned), f"not a turn but {turn}"
    assert turn.claimed is not None, "no job was claimed"
    return turn.claimed


def empty(turn: Turn, done: str = "-") -> bool:
    """Tell whether a turn brought no job, the last one having ended so."""
    return turn == Turned(done, None)


STALE = Stale("stale")
NO_MEMBER = Stale("no member")


def _read(raw: Any, key: bytes) -> Any:
    match raw.type(key):
        case b"hash":
            return raw.hgetall(key)
        case b"list":
            return raw.lrange(key, 0, -1)
        case b"set":
            return raw.smembers(key)
        case b"zset":
            return raw.zrange(key, 0, -1, withscores=True)
        case b"stream":
            return raw.xrange(key)
        case _:
            return raw.get(key)
