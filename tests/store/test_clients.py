"""Who is connected to Redis: sent away by the beginning of a name, as far as the user may."""

from __future__ import annotations

import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.errors import ReplyLost
from horus_supervisor.store.server import clients, kill_clients
from horus_supervisor.store.wire import Wire
from tests.support.drivers import operation
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until


def test_clients_are_killed_by_the_beginning_of_their_name(
    redis_server: RedisServer, namespace: str
) -> None:
    address = parse_url(redis_server.url)
    ours = Wire(address, name=f"{namespace}-b/1")
    gone = [Wire(address, name=f"{namespace}-a/{i}") for i in range(3)]
    other = Wire(address, name=f"{namespace}-b/0")
    for wire in (*gone, other):
        wire.send_raw("BLPOP", f"{{{namespace}}}:wake:q", 0)
    blocked = redis_server.client()
    wait_until(lambda: blocked.info("clients")["blocked_clients"] >= 4, "blocked clients")

    assert kill_clients(ours, f"{namespace}-a/") == 3

    for wire in gone:
        with pytest.raises(ReplyLost):
            wire.receive_reply()
    blocked.lpush(f"{{{namespace}}}:wake:q", "token")
    assert other.receive_reply()[1] == b"token"
    assert kill_clients(ours, f"{namespace}-a/") == 0
    names = {client["name"] for client in clients(ours)}
    assert {f"{namespace}-b/0", f"{namespace}-b/1"} <= names
    ours.close()
    other.close()


def test_who_may_not_kill_clients_kills_none(own_redis: RedisServer) -> None:
    with own_redis.client() as admin:
        admin.execute_command("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-client", "-info")
    wire = Wire(parse_url(f"unix://u:p@{own_redis.path}"), check_version=True)
    assert wire.run(operation("return {1}", "x")) == 1
    assert kill_clients(wire, "anything") == 0
    wire.close()
