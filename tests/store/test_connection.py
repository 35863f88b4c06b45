"""What only redis-py's driver does: pipelines, threads, forks, a user's own client."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
import redis.asyncio

from horus_supervisor.errors import QueueFull, RedisAway, RedisRefused, ReplyLost
from horus_supervisor.store.connection import CHUNK, Connection, connect
from horus_supervisor.store.links import CONNECTIONS
from horus_supervisor.store.operation import Operation, Reply, Script
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

ECHO = Script.of("echo", "return {ARGV[1]}")
COUNT = Script.of("count", "return {redis.call('INCR', KEYS[1] .. 'count')}")


def echo(value: int) -> Operation[int]:
    return Operation(ECHO, "{echo}:", (value,), _number)


def count(namespace: str, script: Script = COUNT) -> Operation[int]:
    return Operation(script, f"{{{namespace}}}:", (), _number)


def _number(reply: Reply) -> int:
    return int(reply[0])


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = connect(redis_url)
    yield connection
    connection.close()


# --- pipelines -------------------------------------------------------------------------------


def test_many_calls_are_answered_in_their_order(connection: Connection) -> None:
    numbers = list(range(2 * CHUNK + 1))
    assert connection.run_many(echo(number) for number in numbers) == numbers
    assert connection.run_many([]) == []


def test_many_calls_of_scripts_that_redis_does_not_know(
    connection: Connection, redis_server: RedisServer, namespace: str
) -> None:
    redis_server.client().script_flush()
    mixed = [count(namespace), echo(7), count(namespace), echo(8)]
    assert connection.run_many(mixed) == [1, 7, 2, 8]


def test_a_script_that_is_flushed_while_many_calls_are_under_way_is_brought_again(
    redis_server: RedisServer, tmp_path: Path, namespace: str
) -> None:
    with Proxy(tmp_path, redis_server.path) as proxy:
        connection = connect(proxy.url)
        proxy.rewrite = (COUNT.sha.encode(), b"0" * 40)  # after the first, EVALSHA finds nothing
        assert connection.run_many([count(namespace)] * 3) == [1, 2, 3]
        connection.close()


def test_a_refused_call_among_many_leaves_the_connection_in_step(
    connection: Connection, namespace: str
) -> None:
    bad = count(namespace, Script.of("bad", "return redis.error_reply('ERR no')"))
    with pytest.raises(RedisRefused, match="refused bad: ERR no"):
        connection.run_many([count(namespace), bad, count(namespace)])
    assert connection.run(echo(5)) == 5
    assert connection.run(count(namespace)) == 3


def test_a_full_server_refuses_many(own_redis: RedisServer, namespace: str) -> None:
    with own_redis.client() as admin, closing(connect(own_redis.url)) as connection:
        admin.config_set("maxmemory", "1")
        with pytest.raises(QueueFull):
            connection.run_many([count(namespace, Script.of("count", "#!lua\n" + COUNT.source))])


def test_a_connection_that_is_in_use_is_closed_after_its_call(
    connection: Connection, redis_server: RedisServer
) -> None:
    script = Script.of("close", "return {}")
    with redis_server.client() as admin:
        before = admin.info("clients")["connected_clients"]
        connection.run(Operation(script, "{close}:", (), lambda _: connection.close()))
        wait_until(lambda: admin.info("clients")["connected_clients"] == before, "it is gone")


def test_where_nothing_listens_none_of_many_calls_happened(tmp_path: Path) -> None:
    with closing(connect(f"unix://{tmp_path}/none.sock")) as nowhere:
        for _ in range(CONNECTIONS + 1):  # a call that broke leaves its place to the next one
            with pytest.raises(RedisAway, match="no such file"):
                nowhere.run_many([echo(1)])


def test_redis_pys_own_client_is_closed_with_the_rest(
    connection: Connection, redis_server: RedisServer
) -> None:
    number = connection.raw.client_id()
    connection.close()
    with redis_server.client() as admin:
        wait_until(
            lambda: str(number) not in {row["id"] for row in admin.client_list()}, "it is gone"
        )
    assert connection.raw.ping(), "a later call opens another"


def test_redis_lost_between_two_batches_is_not_told_as_if_nothing_had_happened(
    own_redis: RedisServer,
) -> None:
    def calls() -> Iterator[Operation[int]]:
        yield from map(echo, range(CHUNK))
        own_redis.kill()
        yield echo(0)

    with pytest.raises(ReplyLost, match=f"{CHUNK} calls happened before"):
        connect(own_redis.url).run_many(calls())


# --- threads, forks --------------------------------------------------------------------------


def test_threads_share_a_connection_and_get_their_own_replies(connection: Connection) -> None:
    wrong: list[int] = []

    def ask(first: int) -> None:
        wrong.extend(n for n in range(first, first + 50) if connection.run(echo(n)) != n)

    threads = [threading.Thread(target=ask, args=(i * 100,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.timeout(20)
def test_who_finds_all_connections_in_use_waits_for_its_timeout_only(
    connection: Connection,
) -> None:
    def nested(left: int) -> Operation[int]:
        return Operation(ECHO, "{echo}:", (left,), lambda _: within(left) if left else 0)

    def within(left: int) -> int:
        """Make a call while ``left`` are free; who finds none is in a hurry."""
        [outcome] = connection.attempt([nested(left - 1)], within_s=0.1 if left == 1 else None)
        assert isinstance(outcome, int)
        return outcome

    with pytest.raises(RedisAway, match=f"all {CONNECTIONS} connections are in use"):
        connection.run(nested(CONNECTIONS))


def test_a_connection_goes_on_in_a_forked_child_and_in_its_parent(connection: Connection) -> None:
    assert connection.run(echo(1)) == 1
    if (child := os.fork()) == 0:
        status = 1
        try:
            status = int([connection.run(echo(n)) for n in range(50)] != list(range(50)))
        finally:
            os._exit(status)
    assert [connection.run(echo(n)) for n in range(50)] == list(range(50))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connection.run(echo(2)) == 2


# --- a user's own client ---------------------------------------------------------------------


def test_a_client_of_the_user_lends_server_and_credentials_and_nothing_else(
    redis_server: RedisServer, namespace: str
) -> None:
    theirs = redis.Redis(
        unix_socket_path=redis_server.path, db=2, decode_responses=True, protocol=3
    )
    connection = connect(theirs, name="ours")
    call = Operation(ECHO, f"{{{namespace}}}:", ("text",), lambda reply: reply)
    assert connection.run(call) == [b"text"]
    connection.run(count(namespace))
    assert theirs.get(f"{{{namespace}}}:count") == "1"
    assert connection.address.safe == f"unix:{redis_server.path}/2"
    connection.close()
    assert theirs.ping()


def test_a_tcp_client_of_the_user_keeps_its_password_to_itself() -> None:
    theirs = redis.Redis(host="r1", port=7000, username="u", password="hunter2", ssl=True)
    address = connect(theirs).address
    assert (address.safe, address.scheme) == ("r1:7000", "rediss")
    assert "hunter2" not in repr(address)


def test_what_is_no_synchronous_client_is_refused() -> None:
    with pytest.raises(TypeError, match=r"redis\.Redis is needed, not a redis\.asyncio"):
        connect(redis.asyncio.Redis())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a int"):
        connect(5)  # type: ignore[arg-type]


def test_redis_py_repeats_nothing_by_itself(connection: Connection) -> None:
    assert connection.raw.get_retry().get_retries() == 0  # type: ignore[union-attr]


def test_importing_the_driver_does_not_import_redis() -> None:
    code = "import sys, horus_supervisor.store.connection; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
