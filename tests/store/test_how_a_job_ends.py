"""The README's table "How a job ends, and what counts", row by row, as the scripts see it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from horus_supervisor.lifecycle import Death, Disposition, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Slot
from tests.support.store import HOUR_MS, LIMITS, Store, claimed

MAX_CRASHES = LIMITS["max_crashes"]


@dataclass
class Life:
    """A job ``a`` and the runners that it meets, one after another in the same slot."""

    store: Store
    incarnation: int = 0

    def its_turn(self) -> None:
        """Let the job be the next one, whatever its due time."""
        if self.state() == JobState.SCHEDULED:
            self.store.make_due("a")
            self.store.promote()
            ready = self.store.prefix + "ready:emails"
            self.store.raw.lrem(ready, 1, "a")
            self.store.raw.rpush(ready, "a")
        self.incarnation += 1

    def start(self) -> Slot:
        """Start the job on a new runner."""
        self.its_turn()
        slot = self.store.member(incarnation=self.incarnation)
        assert claimed(self.store.run(self.store.claim(slot))).job_id == "a"
        return slot

    def die(self, death: Death, *, begun: bool = True) -> Disposition:
        """Start the job, and let its runner die of it."""
        slot = self.start()
        return self.store.run(self.store.crash(slot, int(begun), death)).disposition

    def lose(self) -> Disposition:
        """Start the job on a supervisor that is lost with its host."""
        self.its_turn()
        name = f"host{self.incarnation}"
        self.store.run(self.store.claim(self.store.member(supervisor=name)))
        _, [lost] = self.store.run(self.store.retire(name))
        return lost.disposition

    def state(self) -> JobState:
        return self.store.state("a")

    def counts(self) -> tuple[int, int]:
        """Tell attempts and crashes."""
        job = self.store.found("a").job
        assert job is not None
        return job.attempts, job.crashes

    def records(self) -> int:
        return len(self.store.records())


@pytest.fixture
def life(store: Store) -> Life:
    """A job of five attempts, with another one behind it."""
    store.add("a", "b", max_attempts=5)
    return Life(store)


@pytest.fixture
def once(store: Store) -> Life:
    """A job that may be started once."""
    store.add("a", max_attempts=1)
    return Life(store)


def test_it_returned(life: Life) -> None:
    life.store.run(life.store.finish(life.start(), queues=[]))
    assert (life.state(), life.records()) == (JobState.SUCCEEDED, 0)


def test_it_raised(life: Life) -> None:
    for attempt in range(1, 5):
        life.store.run(life.store.fail(life.start(), queues=[]))
        assert (life.state(), life.counts()) == (JobState.SCHEDULED, (attempt, 0))
        life.store.run(life.store.release(Slot("sup", 0, life.incarnation), 3))
    life.store.run(life.store.fail(life.start(), queues=[]))
    assert (life.state(), life.counts(), life.records()) == (JobState.DEAD, (5, 0), 0)


def test_the_service_killed_its_runner(life: Life) -> None:
    for attempt in range(1, 5):
        assert life.die(Death.KILLED) == Disposition.SCHEDULED
        assert (life.state(), life.counts()) == (JobState.SCHEDULED, (attempt, 0))
    assert life.die(Death.KILLED) == Disposition.EXHAUSTED
    assert (life.state(), life.counts(), life.records()) == (JobState.DEAD, (5, 0), 5)


def test_a_killed_runners_job_waits_for_crash_delay(life: Life) -> None:
    life.die(Death.KILLED)
    found = life.store.found("a")
    assert found.since_ms is not None
    waited = found.since_ms - found.history[-1].at_ms
    assert waited == LIMITS["crash_delay_ms"] == HOUR_MS


def test_its_runner_died(life: Life) -> None:
    assert life.die(Death.CRASHED) == Disposition.REQUEUED
    assert (life.store.ready(), life.counts()) == (["a", "b"], (1, 1))
    assert life.die(Death.CRASHED) == Disposition.SCHEDULED
    assert life.counts() == (2, 2)
    assert life.die(Death.CRASHED) == Disposition.QUARANTINED
    assert (life.state(), life.counts(), life.records()) == (JobState.DEAD, (3, 3), 3)


def test_its_runner_died_at_max_attempts(store: Store) -> None:
    store.add("a", max_attempts=2)
    life = Life(store)
    assert life.die(Death.CRASHED) == Disposition.REQUEUED
    assert life.die(Death.CRASHED) == Disposition.EXHAUSTED
    assert life.counts() == (2, 2)


def test_a_job_may_bring_its_own_max_crashes(store: Store) -> None:
    store.add("a", max_attempts=12, max_crashes=4)
    life = Life(store)
    ends = [life.die(Death.CRASHED) for _ in range(4)]
    assert ends == ["requeued", "scheduled", "scheduled", "quarantined"]


def test_max_crashes_of_one_quarantines_at_the_first(store: Store) -> None:
    store.add("a", max_attempts=12, max_crashes=1)
    assert Life(store).die(Death.CRASHED) == Disposition.QUARANTINED


def test_the_limits_are_those_of_the_claim(store: Store) -> None:
    store.add("a", max_attempts=12)
    slot = store.member()
    store.run(store.claim(slot, max_crashes=1, crash_delay_ms=1))
    assert store.run(store.crash(slot)).disposition == Disposition.QUARANTINED


def test_its_host_was_lost(life: Life) -> None:
    assert life.lose() == Disposition.REQUEUED
    assert (life.store.ready(), life.counts()) == (["a", "b"], (1, 0))
    assert [life.lose() for _ in range(4)] == [*["scheduled"] * 3, "exhausted"]
    assert (life.state(), life.counts(), life.records()) == (JobState.DEAD, (5, 0), 5)


def test_a_crash_and_a_loss_go_back_at_once_each_for_the_first_time(life: Life) -> None:
    assert life.die(Death.CRASHED) == Disposition.REQUEUED
    assert life.lose() == Disposition.REQUEUED
    assert life.lose() == Disposition.SCHEDULED
    assert life.die(Death.CRASHED) == Disposition.SCHEDULED


def test_its_runner_died_before_it_began(life: Life) -> None:
    for _ in range(7):
        assert life.die(Death.CRASHED, begun=False) == Disposition.NONE
        assert (life.store.ready(), life.counts()) == (["a", "b"], (0, 0))


def test_a_stop_interrupted_it(life: Life) -> None:
    for _ in range(7):
        slot = life.start()
        assert life.store.run(life.store.release(slot, started=True)) == "requeued"
        assert life.die(Death.INTERRUPTED) == Disposition.REQUEUED
        assert (life.store.ready(), life.counts()) == (["a", "b"], (0, 0))
    assert life.records() == 0


def test_a_stop_interrupted_it_but_it_returned(life: Life) -> None:
    slot = life.start()
    life.store.run(life.store.finish(slot, queues=[]))
    life.store.run(life.store.release(slot, 3))
    assert life.state() == JobState.SUCCEEDED


@pytest.mark.parametrize("death", list(Death))
def test_once_started_it_is_dead_whatever_ended_its_runner(once: Life, death: Death) -> None:
    end = once.lose() if death == Death.LOST else once.die(death)
    assert end == Disposition.EXHAUSTED
    assert (once.state(), once.counts()[0]) == (JobState.DEAD, 1)
    assert once.records() == (0 if death == Death.INTERRUPTED else 1)


def test_once_started_it_is_dead_where_it_raised_or_was_interrupted(once: Life) -> None:
    once.store.run(once.store.fail(once.start(), queues=[]))
    assert once.state() == JobState.DEAD
    assert once.store.run(operations.retry(once.store.namespace, "a")) == "ok"
    once.store.run(once.store.release(Slot("sup", 0, 1), 3))
    assert once.store.run(once.store.release(once.start(), started=True)) == "dead"
    assert once.state() == JobState.DEAD


def test_not_started_yet_it_waits_on_whatever_ended_its_runner(once: Life) -> None:
    for _ in range(3):
        once.die(Death.CRASHED, begun=False)
        once.store.run(once.store.release(once.start(), started=False))
    assert once.state() == JobState.READY


@pytest.mark.parametrize("end", [Death.CRASHED, Death.LOST, Death.KILLED])
def test_a_retry_of_a_dead_job_counts_from_the_start_again(life: Life, end: Death) -> None:
    def ends() -> list[str]:
        dispositions: list[str] = []
        while life.state() != JobState.DEAD:
            dispositions.append(life.lose() if end == Death.LOST else life.die(end))
        return dispositions

    first = ends()
    fence = life.store.found("a").job
    life.store.run(operations.discard(life.store.namespace, "b"))
    life.store.run(operations.retry(life.store.namespace, "a"))
    assert ends() == first
    again = life.store.found("a").job
    assert fence is not None
    assert again is not None
    assert again.fence == fence.fence + len(first)
