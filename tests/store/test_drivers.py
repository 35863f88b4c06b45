"""One suite for all drivers: redis-py's ``Connection``, awaited or not, and our own ``Wire``.

What one of them can do in passing (errors in words, no reply taken for another's) the others must.
"""

from __future__ import annotations

import operator
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import embedded
from horus_supervisor.address import parse_url
from horus_supervisor.errors import (
    HorusError,
    QueueFull,
    RedisAway,
    RedisRefused,
    ReplyLost,
    ServiceNotRunning,
)
from horus_supervisor.store.operation import Operation, Script
from horus_supervisor.store.wire import Wire
from tests.support.drivers import (
    COUNT,
    ECHO,
    PASSWORD,
    READ,
    SPIN,
    Open,
    answer,
    operation,
    told,
    warm,
)
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import IN_MEMORY, RedisServer
from tests.support.waiting import wait_until

# --- replies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reply"),
    [
        ("return {'text'}", b"text"),
        ("return {-12}", -12),
        ("return {false}", None),
        ("return {}", []),
        ("return {'a', 1, {'b', {}}}", [b"a", 1, [b"b", []]]),
        ("return {redis.status_reply('OK')}", b"OK"),
    ],
)
def test_replies_are_bytes_numbers_none_and_lists_of_these(
    open_: Open, redis_url: str, namespace: str, source: str, reply: object
) -> None:
    assert open_(redis_url).run(operation(source, namespace)) == reply


def test_arguments_arrive_as_they_were_given(open_: Open, redis_url: str, namespace: str) -> None:
    driver = open_(redis_url)
    args = ("", "emails", "größer ✓", b"\x00\r\n$3\r\n\xff", -1, 0, 1764028149000, "1", b"1", 1)
    for _ in range(2):  # the second time from what was remembered
        reply = driver.run(operation(ECHO, namespace, *args))
        assert reply[0] == f"{{{namespace}}}:".encode()
        assert reply[1:] == [
            value if isinstance(value, bytes) else str(value).encode() for value in args
        ]


def test_more_different_arguments_than_are_remembered(
    open_: Open, redis_url: str, namespace: str
) -> None:
    driver = open_(redis_url)
    for i in range(0, 3000, 100):
        args = tuple(range(i, i + 100))
        assert driver.run(operation(ECHO, namespace, *args))[1:] == [b"%d" % n for n in args]


def test_long_arguments_and_replies_arrive_whole(
    open_: Open, redis_url: str, namespace: str
) -> None:
    payload = os.urandom(700_000)
    driver = open_(redis_url)
    assert driver.run(operation(ECHO, namespace, payload))[1] == payload
    assert driver.run(operation(ECHO, namespace, b"next"))[1] == b"next"


def test_a_reply_is_read_as_the_operation_says(open_: Open, redis_url: str, namespace: str) -> None:
    script = Script.of("probe", ECHO)
    call = Operation(script, f"{{{namespace}}}:", (41,), lambda reply: int(reply[1]) + 1)
    assert open_(redis_url).run(call) == 42


@pytest.mark.parametrize("source", ["return {ok = 'PONG'}", "return 1", "return nil", "return {}"])
def test_a_reply_that_no_script_gives_is_not_ours(
    open_: Open, redis_url: str, namespace: str, source: str
) -> None:
    driver = open_(redis_url)
    call: Operation[Any] = Operation(
        Script.of("probe", source), namespace, (), operator.itemgetter(0)
    )
    with pytest.raises(ReplyLost, match="no script answers so") as raised:
        driver.run(call)
    assert raised.value.remedy.endswith("use another URL")
    assert driver.run(operation(ECHO, namespace, b"next"))[1] == b"next"


def test_a_script_that_redis_does_not_know_is_brought_along(
    open_: Open, redis_server: RedisServer, namespace: str
) -> None:
    driver = open_(redis_server.url)
    call = operation(COUNT + f" -- {namespace}", namespace)
    assert driver.run(call) == 1
    redis_server.client().script_flush()
    assert driver.run(call) == 2
    assert redis_server.client().script_exists(call.script.sha) == [True]


def test_a_client_shows_its_name(open_: Open, redis_server: RedisServer) -> None:
    driver = warm(open_(redis_server.url, name="host-1/7"))
    assert "host-1/7" in {client["name"] for client in redis_server.client().client_list()}
    driver.close()


# --- lost replies ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "happened"),
    [
        (Fault.CUT_BEFORE, 0),
        (Fault.CUT_AFTER, 1),
        (Fault.CUT_IN_REPLY, 1),
        (Fault.BLACKHOLE, 1),
    ],
)
def test_a_call_that_was_sent_and_not_answered_is_lost_and_never_repeated_by_itself(
    open_: Open, proxy: Proxy, namespace: str, fault: Fault, happened: int
) -> None:
    driver = open_(proxy.url, timeout_s=0.3)
    before = answer(driver, operation(COUNT, namespace))
    proxy.next(fault)
    started = time.monotonic()

    with pytest.raises(ReplyLost) as caught:
        driver.run(operation(COUNT, namespace))

    assert proxy.struck
    assert time.monotonic() - started < 2
    assert f"lost Redis at unix:{proxy.path} before it answered: " in str(caught.value)
    assert answer(driver, operation(READ, namespace)) == before + happened


def test_a_reply_that_comes_too_late_is_not_taken_for_the_next_call(
    open_: Open, proxy: Proxy, namespace: str
) -> None:
    driver = warm(open_(proxy.url, timeout_s=0.15))
    proxy.delay_s = 0.3
    proxy.next(Fault.DELAY)
    with pytest.raises(ReplyLost, match="no answer in time"):
        driver.run(operation(ECHO, namespace, "first"))
    for word in (b"second", b"third"):
        assert answer(driver, operation(ECHO, namespace, word))[1] == word


def test_a_slow_reply_within_the_timeout_is_waited_for(
    open_: Open, proxy: Proxy, namespace: str
) -> None:
    driver = warm(open_(proxy.url, timeout_s=3))
    proxy.next(Fault.DELAY)
    assert driver.run(operation(ECHO, namespace, "slow"))[1] == b"slow"


def test_a_reply_may_come_byte_by_byte(open_: Open, proxy: Proxy, namespace: str) -> None:
    driver = warm(open_(proxy.url, timeout_s=3))
    for _ in range(2):
        proxy.next(Fault.BYTES)
        reply = driver.run(operation(ECHO, namespace, "drop", "by", "drop"))
        assert reply[1:] == [b"drop", b"by", b"drop"]


class Interrupted(BaseException):
    """As a job's timeout is: raised by a signal handler, anywhere."""


def test_a_call_that_a_signal_handler_broke_off_leaves_no_reply_behind(
    open_: Open, proxy: Proxy, namespace: str
) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    driver = warm(open_(proxy.url, timeout_s=3))
    proxy.next(Fault.DELAY)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            driver.run(operation(ECHO, namespace, "broken off"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert driver.run(operation(ECHO, namespace, "own"))[1] == b"own"


def test_a_server_that_hangs_is_given_up_after_the_timeout(
    open_: Open, own_redis: RedisServer, namespace: str
) -> None:
    driver = open_(own_redis.url, timeout_s=0.2)
    before = answer(driver, operation(COUNT, namespace))
    own_redis.pause()
    started = time.monotonic()
    try:
        with pytest.raises(ReplyLost, match="no answer in time"):
            driver.run(operation(COUNT, namespace))
    finally:
        own_redis.resume()
    assert time.monotonic() - started < 10
    assert answer(driver, operation(READ, namespace)) == before + 1


def test_a_server_that_was_restarted_is_found_again(
    open_: Open, own_redis: RedisServer, namespace: str
) -> None:
    driver = warm(open_(own_redis.url))
    own_redis.kill()
    with pytest.raises(ConnectionError):
        driver.run(operation(COUNT, namespace))
    with pytest.raises(RedisAway):
        driver.run(operation(COUNT, namespace))

    own_redis.start()

    assert driver.run(operation(COUNT, namespace)) == 1


# --- nothing sent ----------------------------------------------------------------------------


def test_where_nothing_listens_redis_is_away_in_words(open_: Open, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(RedisAway) as caught:
            open_(f"redis://u:{PASSWORD}@127.0.0.1:{port}").run(operation("return {1}", "x"))
    assert str(caught.value) == f"can't reach Redis at 127.0.0.1:{port}: refused"
    assert PASSWORD not in told(caught.value)

    with pytest.raises(RedisAway, match=r"gone\.sock: no such file"):
        open_(f"unix://{tmp_path}/gone.sock").run(operation("return {1}", "x"))


def test_an_unknown_host_is_named(open_: Open) -> None:
    with pytest.raises(RedisAway, match=r"nowhere\.invalid:6379: unknown host name"):
        open_("redis://nowhere.invalid").run(operation("return {1}", "x"))


@pytest.mark.parametrize("depth", [1, 90], ids=["short path", "long path"])
def test_without_a_service_an_embedded_url_names_the_command(
    open_: Open, tmp_path: Path, depth: int
) -> None:
    folder = tmp_path / ("d" * depth) / ("e" * depth)
    with pytest.raises(ServiceNotRunning, match=r"`horus-supervisor -c ") as caught:
        open_(f"embedded:{folder}").run(operation("return {1}", "x"))
    assert f"embedded:{folder}:" in str(caught.value)
    assert "absolute path" in str(caught.value), "it may run, and this be another folder's var"


def test_an_embedded_server_that_died_is_no_service_either(
    open_: Open, own_redis: RedisServer
) -> None:
    driver = warm(open_(f"embedded:{own_redis.folder}"))
    own_redis.kill()
    assert os.path.exists(own_redis.path)
    with pytest.raises(ConnectionError):
        driver.run(operation("return {1}", "x"))
    with pytest.raises(ServiceNotRunning):
        driver.run(operation("return {1}", "x"))


def test_an_embedded_server_that_its_service_starts_again_is_away(
    open_: Open, own_redis: RedisServer
) -> None:
    own_redis.kill()
    lock = embedded.lock_folder(own_redis.folder)
    with pytest.raises(RedisAway, match="refused"):
        open_(f"embedded:{own_redis.folder}").run(operation("return {1}", "x"))
    os.close(lock)


def test_an_embedded_server_is_reached_by_a_path_of_any_length(
    open_: Open, tmp_path: Path, namespace: str
) -> None:
    server = RedisServer(tmp_path / ("x" * 90) / ("y" * 90), extra=IN_MEMORY)
    server.start()
    try:
        driver = open_(f"embedded:{server.folder}", name="far")
        assert driver.run(operation(COUNT, namespace)) == 1
        assert driver.run(operation(COUNT, namespace)) == 2
    finally:
        server.kill()


# --- refusals --------------------------------------------------------------------------------


def test_a_full_server_refuses_what_may_not_run_and_runs_what_may(
    open_: Open, own_redis: RedisServer, namespace: str
) -> None:
    driver = warm(open_(own_redis.url))
    own_redis.client().config_set("maxmemory", "1")
    with pytest.raises(QueueFull, match="is full"):
        driver.run(operation("#!lua\n" + COUNT, namespace))
    assert driver.run(operation("#!lua flags=allow-oom\n" + COUNT, namespace)) == 1


def test_a_replica_counts_as_away_and_the_next_call_looks_for_the_server_anew(
    open_: Open, own_redis: RedisServer, namespace: str
) -> None:
    driver = warm(open_(own_redis.url))
    with own_redis.client() as admin:
        admin.replicaof("127.0.0.1", "1")
        before = admin.info("stats")["total_connections_received"]
        with pytest.raises(RedisAway, match="READONLY"):
            driver.run(operation("#!lua\n" + COUNT, namespace))
        admin.replicaof("NO", "ONE")
        assert driver.run(operation("#!lua\n" + COUNT, namespace)) == 1
        assert admin.info("stats")["total_connections_received"] == before + 1


def test_a_server_that_is_busy_with_a_script_counts_as_away(
    open_: Open, own_redis: RedisServer, namespace: str
) -> None:
    driver = warm(open_(own_redis.url))
    own_redis.client().config_set("busy-reply-threshold", "1")
    blocker = Wire(parse_url(own_redis.url))
    blocker.send_raw("EVAL", SPIN, 1, namespace)
    words: list[str] = []

    def is_busy() -> bool:
        try:
            driver.run(operation(READ, namespace))
        except RedisAway as error:
            words.append(str(error))
        return bool(words)

    wait_until(is_busy, "a server that admits that it is busy")
    assert "BUSY" in words[0]
    with pytest.raises(RedisAway, match=r"^Redis at \S+ doesn't serve now, .*: BUSY "):
        open_(own_redis.url).run(operation(READ, namespace))  # it asks for the version first
    own_redis.client().script_kill()
    with pytest.raises(RedisRefused, match="killed"):
        blocker.receive_reply()
    blocker.close()
    assert driver.run(operation(COUNT, namespace)) == 1


def test_an_error_in_a_script_is_told_and_leaves_the_driver_usable(
    open_: Open, redis_url: str, namespace: str
) -> None:
    driver = open_(redis_url)
    with pytest.raises(RedisRefused, match=r"refused probe: .*went wrong"):
        driver.run(operation("return redis.error_reply('ERR went wrong')", namespace))
    assert driver.run(operation(COUNT, namespace)) == 1


def test_every_error_is_a_horus_error(open_: Open, tmp_path: Path) -> None:
    with pytest.raises(HorusError):
        open_(f"unix://{tmp_path}/gone.sock").run(operation("return {1}", "x"))


def test_a_server_that_is_too_old_is_refused(open_: Open, proxy: Proxy) -> None:
    proxy.rewrite = (b"redis_version:7.", b"redis_version:6.")
    with pytest.raises(RedisRefused, match=r"is version 6\..* needs 7\.0 or newer"):
        open_(proxy.url).run(operation("return {1}", "x"))


def test_a_server_that_may_not_be_asked_for_its_version_is_believed(
    open_: Open, own_redis: RedisServer
) -> None:
    with own_redis.client() as admin:
        admin.execute_command("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-info")
    driver = open_(f"unix://u:p@{own_redis.path}")
    assert driver.run(operation("return {1}", "x")) == 1
