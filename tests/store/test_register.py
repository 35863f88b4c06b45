"""register, beat, supervisors: ids of supervisors and their heartbeats."""

from __future__ import annotations

from horus_supervisor.store import operations
from tests.support.store import Store


def test_a_supervisor_is_registered_once_however_often_it_asks(store: Store) -> None:
    register = operations.register(store.namespace, "sup", 30_000, b'{"host":"h"}')
    assert store.repeated(register) == "ok"
    [row] = store.run(operations.supervisors(store.namespace))
    assert (row.supervisor, row.lease_ms, row.facts) == ("sup", 30_000, {"host": "h"})


def test_a_late_copy_of_register_does_not_open_a_retired_id(store: Store) -> None:
    register = operations.register(store.namespace, "sup", 30_000, b"{}")
    store.run(register)
    store.run(store.retire())
    assert store.without_effect(register) == "retired"


def test_a_heartbeat_counts_up_and_tells_the_latest_facts(store: Store) -> None:
    store.member()
    [before] = store.run(operations.supervisors(store.namespace))
    assert store.run(operations.beat(store.namespace, "sup", b'{"n":1}')) == "ok"
    [row] = store.run(operations.supervisors(store.namespace))
    assert row.beat == before.beat + 1
    assert (row.facts, row.lease_ms, row.started_ms) == ({"n": 1}, 30_000, before.started_ms)


def test_a_late_copy_of_register_leaves_heartbeat_and_facts_alone(store: Store) -> None:
    store.member()
    store.run(operations.beat(store.namespace, "sup", b'{"n":1}'))
    assert store.without_effect(operations.register(store.namespace, "sup", 1, b"{}")) == "ok"


def test_who_was_never_registered_or_was_retired_has_no_heartbeat(store: Store) -> None:
    beat = operations.beat(store.namespace, "sup", b"{}")
    assert store.without_effect(beat) == "no member"
    store.member()
    store.run(store.retire())
    assert store.without_effect(beat) == "no member"
