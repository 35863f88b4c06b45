"""What a claim costs where a million jobs wait, against one where hardly any do.

Two servers, the same calls in turn, 250 by 250: a runner that serves one queue of a hundred
finishes its job and claims the next, as runners do, in one call. On one server each queue holds ten
thousand jobs, on the other as many as a round takes. Measured is the CPU time of Redis's main
thread: so long does a claim keep everybody else waiting. What else runs on the machine is in it
only by what it does to the processor's clock and caches; so no turn is long.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from statistics import median

from bench.jobs import NoOp
from bench.report import Reach, Row
from bench.service import Bench, Stuck, bench
from horus_supervisor import Client
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import Slot, Turn, Turned

QUEUES = [f"queue{number}" for number in range(100)]
WAITING = 1_000_000
ROUNDS = 7
TURNS, CALLS = 20, 250  # in each
TEXT = "x" * 89  # {"text":"..."} makes 100 bytes
NAMESPACE = "claims"


def among_a_million(quick: bool) -> Iterator[Row]:
    """Measure calls on both servers in turn."""
    waiting = WAITING // (10 if quick else 1)
    crowded, lonely = [], []
    with bench() as full, bench() as empty:
        among, alone = Runner(full), Runner(empty)
        among.enqueue(waiting)
        for _ in range(3 if quick else ROUNDS):
            alone.enqueue(TURNS * CALLS)
            turns = [(among.cpu_s(), alone.cpu_s()) for _ in range(TURNS)]
            among_s, alone_s = map(sum, zip(*turns, strict=True))
            crowded.append(among_s / TURNS / CALLS * 1e6)
            lonely.append(alone_s / TURNS / CALLS * 1e6)
        among.close()
        alone.close()
    ratios = [a / b for a, b in zip(crowded, lonely, strict=True)]
    note = f"{median(crowded):.0f} to {median(lonely):.0f} µs of Redis a call"
    figure = f"claim with {waiting:,} jobs waiting in {len(QUEUES)} queues"
    yield Row(figure, Reach(1.1, " of an empty system"), median(ratios), ratios, note)


class Runner:
    """A member that claims by redis-py. Owns its client."""

    def __init__(self, at: Bench) -> None:
        self._raw = at.raw
        self._client = Client(f"unix://{at.socket}", namespace=NAMESPACE)
        self._run = self._client.connection.run
        self._slot = Slot("bench", 0, 1)
        self._seq = itertools.count(1)
        self._queue = itertools.cycle(QUEUES)
        self._run(operations.register(NAMESPACE, "bench", 3_600_000, b"{}"))
        self._run(operations.join(NAMESPACE, self._slot))

    def enqueue(self, jobs: int) -> None:
        """Share jobs out among the queues."""
        for queue in QUEUES:
            self._client.enqueue_many([NoOp(TEXT)] * (jobs // len(QUEUES)), queue=queue)

    def cpu_s(self) -> float:
        """Take a job a call, from queue after queue; tell how many seconds that cost Redis."""
        began_s = self._used_s()
        held = self._run(self._claim())
        for left in reversed(range(CALLS)):
            if not isinstance(held, Turned) or not held.claimed:
                raise Stuck(f"no job was claimed: {held}")
            held = self._run(self._finish([next(self._queue)] if left else []))
        return self._used_s() - began_s

    def _used_s(self) -> float:
        cpu = self._raw.info("cpu")
        return float(cpu["used_cpu_user_main_thread"] + cpu["used_cpu_sys_main_thread"])

    def _claim(self) -> Operation[Turn]:
        return operations.claim(
            NAMESPACE,
            self._slot,
            next(self._seq),
            [next(self._queue)],
            max_crashes=3,
            crash_delay_ms=0,
            woken=False,
        )

    def _finish(self, queues: list[str]) -> Operation[Turn]:
        return operations.finish(
            NAMESPACE,
            self._slot,
            next(self._seq),
            "succeeded",
            queues,
            max_crashes=3,
            crash_delay_ms=0,
        )

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
