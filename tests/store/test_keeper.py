"""The keeper's calls: each is a sign of life, and tells whether Redis is there."""

from __future__ import annotations

import functools
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from horus_supervisor import linux, logs, messages
from horus_supervisor.address import parse_url
from horus_supervisor.channel import Channel
from horus_supervisor.errors import RedisAway, RedisRefused
from horus_supervisor.keeper import main
from horus_supervisor.keeper.main import Duty, Keeper
from horus_supervisor.keeper.reach import Reach
from horus_supervisor.scoreboard import Scoreboard, SlotWriter
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation, Script, load_script
from horus_supervisor.store.wire import Wire
from tests.support.redis_server import RedisServer
from tests.support.store import Store


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The keeper's, and the supervisor's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def keeper(
    redis_url: str, namespace: str, ends: tuple[socket.socket, socket.socket]
) -> Iterator[Keeper]:
    me = messages.Identity(service="s", host="h", supervisor="a", level="info")
    boot = messages.KeeperBoot(
        redis_url=redis_url,
        namespace=namespace,
        identity=me,
        lease_s=30,
        spool="s",
        facts={},
        leftovers=[],
    )
    board = Scoreboard(linux.memory_file("horus-test-board"))
    channel = Channel(ends[0], messages.to_keeper)
    keeper = Keeper(Reach(boot, channel, board, logs.bind(lambda _: None, {})))
    yield keeper
    keeper.reach.wire.close()
    os.close(board.fd)


def test_each_call_is_a_sign_of_life(keeper: Keeper, namespace: str) -> None:
    for _ in range(3):
        keeper.reach.ask(operations.kick(namespace))
    assert keeper.reach.board.keeper_ticks == 3


def test_after_an_outage_every_heart_is_watched_anew(keeper: Keeper, namespace: str) -> None:
    def goes_away() -> None:
        raise RedisAway("gone")

    def others() -> list[str]:
        return [row.supervisor for row in keeper.reach.ask(operations.supervisors(namespace))]

    keeper.reach.ask(operations.register(namespace, "other", 0, b"{}"))  # with a lease of 0 s
    keeper._observe()
    assert not keeper._in_reach(goes_away)
    assert others() == ["other"]
    keeper._observe()
    assert others() == ["other"]
    keeper._observe()
    assert others() == []


def test_no_keeper_takes_its_own_supervisor_for_gone(keeper: Keeper, namespace: str) -> None:
    keeper.reach.ask(operations.register(namespace, "a", 0, b"{}"))
    for _ in range(3):
        keeper._observe()
    known = keeper.reach.ask(operations.supervisors(namespace))
    assert [row.supervisor for row in known] == ["a"]


def test_a_heart_that_beats_after_all_is_left_alone(keeper: Keeper, namespace: str) -> None:
    def with_a_beat_behind(operation: Operation[Any]) -> Any:
        reply = keeper.reach.ask(operation)
        if operation.script.name == "supervisors":
            keeper.reach.ask(operations.beat(namespace, "other", b"{}"))
        return reply

    keeper.reach.ask(operations.register(namespace, "other", 0, b"{}"))  # with a lease of 0 s
    keeper._observe()
    keeper._ask = with_a_beat_behind
    keeper._observe()
    known = keeper.reach.ask(operations.supervisors(namespace))
    assert [row.supervisor for row in known] == ["other"]


def test_no_lease_is_renewed_while_the_supervisors_loop_stands_still(
    keeper: Keeper, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beats_at(now: float) -> int:
        monkeypatch.setattr(main, "time", SimpleNamespace(monotonic=lambda: now))
        keeper._beat()
        [row] = keeper.reach.ask(operations.supervisors(namespace))
        return row.beat

    keeper.reach.ask(operations.register(namespace, "a", 30_000, b"{}"))
    first = beats_at(100.0)
    assert beats_at(114.0) == first + 1
    assert beats_at(115.0) == first + 1, "it has not turned for half a lease"
    keeper.reach.board.tick()
    assert beats_at(120.0) == first + 2


def test_an_id_that_was_retired_is_not_registered_again(
    keeper: Keeper, redis_server: RedisServer, namespace: str
) -> None:
    with redis_server.client() as client:
        client.zadd(operations.prefix(namespace) + "retired", {"a": 1})
    keeper._hear(messages.Close())  # else it waits for its end
    keeper._register()
    assert not keeper.reach.registered


def test_a_class_that_is_held_for_other_code_is_tried_with_ours_once(
    keeper: Keeper, redis_server: RedisServer, namespace: str
) -> None:
    prefix = operations.prefix(namespace)
    keeper._hear(messages.Facts(facts={"jobs": ["shop.Mail"], "code": "ours"}))
    stays = []
    with redis_server.client() as client:
        for _ in range(2):
            client.hset(prefix + "crashing", "shop.Mail", "9")
            client.hset(prefix + "held", "shop.Mail", "theirs")
            keeper._kick()
            stays.append(client.hexists(prefix + "held", "shop.Mail"))
    assert stays == [False, True]


def test_runners_are_alarmed_by_a_crash_on_another_host(
    keeper: Keeper, redis_server: RedisServer, namespace: str
) -> None:
    with redis_server.client() as client:
        client.hset(operations.prefix(namespace) + "crashing", "shop.Mail", "1")
    keeper._kick()
    assert SlotWriter(keeper.reach.board, 0).alarms == 1


def test_a_line_of_a_death_has_the_jobs_arguments_where_the_log_may_have_them(
    keeper: Keeper, store: Store
) -> None:
    store.add("job", payload=b'{"to":"a@b"}')
    reach, boot = keeper.reach, keeper.reach.boot
    assert reach.args_of("job") is None
    reach.boot = msgspec.structs.replace(
        boot, identity=msgspec.structs.replace(boot.identity, args=True)
    )
    assert reach.args_of("job") == '{"to":"a@b"}'
    assert reach.args_of("gone") is reach.args_of(None) is None
    reach.wire.close()
    reach.wire = Wire(parse_url("unix:///nowhere"), timeout_s=1.0)
    assert reach.args_of("job") is None


def test_between_two_duties_the_supervisor_is_heard(
    keeper: Keeper, ends: tuple[socket.socket, socket.socket]
) -> None:
    done = []

    def first() -> None:
        done.append("first")
        ends[1].send(messages.encode(messages.Close()) + b"\n")

    keeper.reach.registered = True
    keeper._duties = [Duty(first, 60.0), Duty(lambda: done.append("second"), 60.0)]
    keeper._serve()
    assert done == ["first"]


def test_between_two_calls_for_all_that_is_due_the_supervisor_is_heard(
    keeper: Keeper, redis_server: RedisServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "PROMOTE_MOST", 2)
    due, scheduled = (operations.prefix(namespace) + name for name in ("due", "scheduled:q"))
    with redis_server.client() as client:
        client.zadd(scheduled, dict.fromkeys("abc", 1))
        client.zadd(due, {"q": 1})
        keeper.reach.registered = True
        keeper._duties = [duty for duty in keeper._duties if duty.do == keeper._promote]
        keeper._serve()
        assert client.zcard(scheduled) == 1
        assert keeper._until_due() == 0
        keeper._serve()
        assert client.zcard(scheduled) == 0
        assert keeper._until_due() > 0


def test_a_redis_that_can_be_read_only_is_away(keeper: Keeper) -> None:
    runners = SlotWriter(keeper.reach.board, 0)
    keeper.reach.lost("MISCONF: its disk is full")
    keeper._observe()
    assert runners.redis_away


def test_a_redis_that_refuses_us_after_an_outage_is_told_with_its_reason(keeper: Keeper) -> None:
    lines: list[bytes] = []
    keeper.reach.log = logs.bind(lines.append, {})

    def refused() -> None:
        raise RedisRefused("DENIED: protected mode")

    keeper.reach.lost("unknown host name")
    assert [keeper.reach.does(refused) for _ in range(2)] == [False, False]
    told = [json.loads(line) for line in lines]
    assert [line["event"] for line in told] == ["redis.lost", "redis.lost"]
    assert "protected mode" in told[1]["message"]


def test_a_keeper_that_follows_another_in_an_outage_tells_nothing_twice(
    keeper: Keeper, namespace: str
) -> None:
    lines: list[bytes] = []
    keeper.reach.lost("gone")
    before = keeper.reach
    after = Reach(before.boot, before.channel, before.board, logs.bind(lines.append, {}))
    assert SlotWriter(after.board, 0).redis_away
    after.lost("gone")
    assert lines == []
    after.ask(operations.kick(namespace))
    after.wire.close()
    assert [json.loads(line)["event"] for line in lines] == ["redis.restored"]
    assert not SlotWriter(after.board, 0).redis_away


def test_a_user_who_may_not_do_all_is_told_once_not_at_each_call(
    keeper: Keeper, redis_server: RedisServer, namespace: str
) -> None:
    lines: list[bytes] = []
    reach = keeper.reach
    reach.log = logs.bind(lines.append, {})
    kick: Operation[Any] = operations.kick(namespace)
    calls = (kick, operations.promote(namespace, 1))
    with redis_server.client() as client:
        rights = ("on", ">x", "~*", "+@all", "-hdel")
        client.execute_command("ACL", "SETUSER", namespace, *rights)
        client.hset(operations.prefix(namespace) + "queues", "q", "awake")  # kick forgets it
        address = replace(reach.wire.address, username=namespace, password="x")
        reach.wire = Wire(address)
        did = [reach.does(functools.partial(reach.ask, call)) for _ in range(3) for call in calls]
        assert did == [False, True] * 3
        assert [json.loads(line)["event"] for line in lines] == ["redis.lost"]
        client.execute_command("ACL", "SETUSER", namespace, "+hdel")
        assert reach.does(functools.partial(reach.ask, calls[0]))
        assert [json.loads(line)["event"] for line in lines] == ["redis.lost", "redis.restored"]
        client.execute_command("ACL", "DELUSER", namespace)


def test_an_outage_that_follows_a_refusal_is_over_with_the_first_call(
    keeper: Keeper, namespace: str
) -> None:
    reach = keeper.reach
    unknown: Operation[Any] = Operation(Script.of("unfit", "return redis.call('NO')"), "", (), int)
    with pytest.raises(RedisRefused):
        reach.ask(unknown)
    reach.lost("gone")
    reach.ask(operations.kick(namespace))
    assert not reach.board.redis_is_away


@pytest.mark.parametrize(
    ("policy", "told"),
    [("allkeys-lru", ["redis.evicts"]), ("volatile-lru", []), ("noeviction", [])],
)
def test_a_redis_that_would_throw_jobs_away_is_told(
    keeper: Keeper, redis_server: RedisServer, policy: str, told: list[str]
) -> None:
    lines: list[bytes] = []
    keeper._log = logs.bind(lines.append, {})
    with redis_server.client() as client:
        client.config_set("maxmemory-policy", policy)
        keeper._look_at_eviction()
        client.config_set("maxmemory-policy", "noeviction")
    assert [json.loads(line)["event"] for line in lines] == told


def test_runners_see_whether_redis_is_away(keeper: Keeper, namespace: str) -> None:
    runners = SlotWriter(keeper.reach.board, 0)
    keeper.reach.lost("gone")
    assert runners.redis_away
    keeper.reach.ask(operations.kick(namespace))
    assert not runners.redis_away


def test_what_runners_call_is_known_before_they_come(
    keeper: Keeper, redis_server: RedisServer
) -> None:
    scripts = [load_script(name).sha for name in operations.OF_RUNNERS]
    with redis_server.client() as client:
        client.script_flush()
        keeper.teach()
        assert client.script_exists(*scripts) == [True] * len(scripts)


def test_a_user_who_may_load_no_script_is_a_keeper_all_the_same(
    keeper: Keeper, redis_server: RedisServer, namespace: str
) -> None:
    with redis_server.client() as client:
        rights = ("on", ">x", "~*", "+@all", "-script")
        client.execute_command("ACL", "SETUSER", namespace, *rights)
        keeper.reach.wire = Wire(
            replace(keeper.reach.wire.address, username=namespace, password="x")
        )
        keeper.teach()
        keeper.reach.ask(operations.kick(namespace))
        client.execute_command("ACL", "DELUSER", namespace)
