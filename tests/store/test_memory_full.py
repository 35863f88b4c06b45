"""At ``maxmemory`` enqueue fails in words, and all else still works: a full system drains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor.errors import QueueFull
from horus_supervisor.lifecycle import Death, JobState
from horus_supervisor.store import operations
from horus_supervisor.store.operation import SCRIPTS
from horus_supervisor.store.rows import Slot
from tests.support.drivers import KINDS, open_driver
from tests.support.redis_server import IN_MEMORY, RedisServer
from tests.support.store import HOUR_MS, Store, claimed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that can be full without harm to others."""
    server = RedisServer(tmp_path_factory.mktemp("full"), extra=IN_MEMORY)
    server.start()
    yield server
    server.kill()


class Full(Store):
    """A store on a server that ``fill`` makes full."""

    used: set[str]

    def fill(self) -> None:
        self.raw.config_set("maxmemory", 1)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, server: RedisServer, namespace: str) -> Iterator[Full]:
    driver = open_driver(request.param, server.url, 5.0, None)
    with server.client() as raw:
        raw.config_set("maxmemory", 0)
        yield Full(driver.run, namespace, raw)
    driver.close()


def test_enqueue_fails_in_words_and_nothing_is_left_of_it(store: Full) -> None:
    store.add("a")
    store.fill()
    before = store.contents()
    with pytest.raises(QueueFull, match="full"):
        store.run(store.enqueue("b"))
    assert store.contents() == before


def test_what_waits_is_claimed_finished_failed_and_released(store: Full) -> None:
    slot = store.member()
    store.add("a", "b", "c")
    store.fill()
    assert claimed(store.run(store.claim(slot, 1))).job_id == "a"
    assert claimed(store.run(store.finish(slot, 2))).job_id == "b"
    assert claimed(store.run(store.fail(slot, 3))).job_id == "c"
    assert store.run(store.release(slot, 4, started=True)) == "requeued"
    assert [store.state(job_id) for job_id in "abc"] == ["succeeded", "scheduled", "ready"]


def test_runners_and_supervisors_come_and_go(store: Full) -> None:
    store.fill()
    first, second = store.member(0), store.member(1)
    assert store.run(operations.beat(store.namespace, "sup", b"{}")) == "ok"
    assert store.run(store.crash(first, executing=0)).word == "ok"
    store.member(incarnation=2)
    assert store.run(store.release(second, 1)) == "none"
    assert store.run(store.retire())[0] == "ok"


@pytest.mark.parametrize("death", [Death.CRASHED, Death.KILLED])
def test_a_death_is_recorded_and_its_job_moves(store: Full, death: Death) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    store.fill()
    assert store.run(store.crash(slot, death=death)).job_id == "a"
    assert [record["job_id"] for record in store.records()] == ["a"]


def test_a_lost_supervisors_jobs_come_back(store: Full) -> None:
    slot = store.member()
    store.add("a")
    store.run(store.claim(slot))
    store.fill()
    _, [lost] = store.run(store.retire(readable=False))
    assert (lost.job_id, store.state("a")) == ("a", JobState.READY)


def test_keepers_and_operators_go_on(store: Full) -> None:
    slot = store.member()
    store.add("a", "b")
    store.add("c", delay_ms=HOUR_MS)
    store.run(store.claim(slot))
    store.run(store.fail(slot, 2, "refused", queues=[]))
    store.make_due("c")
    assert store.take_token()
    store.fill()
    assert store.promote() == 1
    assert store.rotate() == "ok"
    assert store.run(operations.kick(store.namespace)).word == "ok"
    assert store.run(operations.retry(store.namespace, "a")) == "ok"
    assert store.run(operations.discard(store.namespace, "b")) == "ok"
    assert store.counts()["ready"] == 2
    assert store.records() == []
    assert [row.supervisor for row in store.run(operations.supervisors(store.namespace))] == ["sup"]
    assert store.run(operations.resolve(store.namespace, "a")) == ([], [])
    assert len(store.run(operations.list_jobs(store.namespace, JobState.READY, None, 9))) == 2


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.lua")), ids=lambda path: path.stem)
def test_every_script_but_enqueue_is_let_in(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    if path.stem == "enqueue":
        assert first == "#!lua"
    else:
        assert first in ("#!lua flags=allow-oom", "#!lua flags=no-writes")


def test_a_slot_is_where_it_was_when_memory_is_there_again(store: Full) -> None:
    slot: Slot = store.member()
    store.add("a")
    store.fill()
    store.run(store.claim(slot))
    store.raw.config_set("maxmemory", 0)
    assert claimed(store.without_effect(store.claim(slot))).job_id == "a"
    store.add("b")
