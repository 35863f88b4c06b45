"""register, beat, supervisors: ids of supervisors and their heartbeats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.errors import RedisRefused
from horus_supervisor.store import operations
from horus_supervisor.store.operation import SCRIPTS
from horus_supervisor.store.wire import Wire
from tests.support.redis_server import RedisServer
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


class User:
    """A user of Redis whose rights change, and its wire."""

    def __init__(self, admin: Any, name: str, url: str) -> None:
        self._admin, self._name = admin, name
        self.may("on", ">x")
        self._wire = Wire(replace(parse_url(url), username=name, password="x"))

    def may(self, *rights: str) -> None:
        self._admin.execute_command("ACL", "SETUSER", self._name, *rights)

    def refusal(self, namespace: str) -> str:
        """Tell what this user lacks to register, '' where that was done."""
        try:
            self._wire.run(operations.register(namespace, "sup", 30_000, b"{}"))
        except RedisRefused as error:
            return str(error)
        return ""

    def close(self) -> None:
        self._wire.close()
        self._admin.execute_command("ACL", "DELUSER", self._name)


@pytest.fixture
def user(redis_server: RedisServer, redis_url: str, namespace: str) -> Iterator[User]:
    with redis_server.client() as admin:
        user = User(admin, namespace, redis_url)
        yield user
        user.close()


def test_who_lacks_a_right_that_some_script_needs_is_refused_before_any_job_is_touched(
    user: User, redis_server: RedisServer, namespace: str
) -> None:
    lua = "".join(path.read_text() for path in SCRIPTS.rglob("*.lua"))
    with redis_server.client() as admin:
        known = {str(name, "ascii").upper() for name in admin.command_list()}
    needed = known & set(re.findall(r"'([A-Z]+)'", lua))
    user.may("~*", "+@all")
    for name in needed:
        user.may(f"-{name}")
        assert f"no right to {name}, which a script needs" in user.refusal(namespace)
        user.may(f"+{name}")
    assert not user.refusal(namespace)


def test_a_right_to_the_keys_of_one_namespace_is_enough(user: User, namespace: str) -> None:
    user.may(f"~{{{namespace}}}:*", "+@all", "-@dangerous")
    assert not user.refusal(namespace)
    assert "NOPERM" in user.refusal("another")
