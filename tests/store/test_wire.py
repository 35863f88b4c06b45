"""What only the runner's wire does: sending and receiving apart, blocking, whole deadlines."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.errors import HorusError, RedisAway, RedisRefused, ReplyLost
from horus_supervisor.lifecycle import Death
from horus_supervisor.store.operation import Operation, Script
from horus_supervisor.store.wire import Wire
from tests.support.descriptors import open_descriptors
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

ECHO = Script.of("echo", "return {ARGV[1]}")


def echo(value: str | int) -> Operation[bytes]:
    return Operation(ECHO, "{echo}:", (value,), lambda reply: bytes(reply[0]))


def readable(wire: Wire, within_s: float) -> bool:
    return bool(select.select([wire], [], [], within_s)[0])


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    wire = Wire(parse_url(redis_url))
    yield wire
    wire.close()


def test_sending_and_receiving_are_apart(wire: Wire) -> None:
    wire.send(echo("later"))
    assert readable(wire, 5)
    assert wire.receive(echo("later")) == b"later"


def test_a_blocking_pop_is_waited_for_by_its_descriptor(
    wire: Wire, redis_server: RedisServer, namespace: str
) -> None:
    assert wire.fileno() == -1
    wire.send_raw("BLPOP", f"{namespace}:a", f"{namespace}:b", 0)
    assert not readable(wire, 0.05)
    redis_server.client().lpush(f"{namespace}:b", "token")
    assert readable(wire, 5)
    assert wire.receive_reply() == [f"{namespace}:b".encode(), b"token"]


def test_a_call_behind_a_blocking_pop_is_made_as_soon_as_that_is_answered(
    wire: Wire, redis_server: RedisServer, namespace: str
) -> None:
    raw = redis_server.client()
    script = Script.of("note", "return {redis.call('INCR', KEYS[1])}")
    note: Operation[int] = Operation(script, f"{namespace}:n", (), lambda reply: int(reply[0]))
    for known in (0, 1):  # at first the server knows no such script
        wire.send_raw("BLPOP", f"{namespace}:a", 0, then=note)
        assert not readable(wire, 0.05)
        assert int(raw.get(f"{namespace}:n") or 0) == known
        raw.lpush(f"{namespace}:a", "token")
        assert readable(wire, 5)
        if known:  # nobody has read a word
            assert int(raw.get(f"{namespace}:n") or 0) == 2
        assert wire.receive_reply() == [f"{namespace}:a".encode(), b"token"]
        assert wire.receive(note) == known + 1


def test_replies_that_come_one_by_one_are_each_its_call_s(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with Proxy(tmp_path, redis_server.path) as proxy:
        wire = Wire(parse_url(proxy.url), timeout_s=2.0)
        wire.run(echo("warm"))
        proxy.delay_s = 0.2
        proxy.next(Fault.BYTES)
        wire.send_raw("ECHO", "first", then=echo("second"))
        assert (wire.receive_reply(), wire.receive(echo("second"))) == (b"first", b"second")
        assert wire.run(echo("third")) == b"third"
        wire.close()


def test_a_refused_pop_leaves_the_next_call_its_own_reply(wire: Wire) -> None:
    wire.run(echo("warm"))
    wire.send_raw("BLPOP", "key-without-timeout", then=echo("behind"))
    with pytest.raises(RedisRefused, match="refused BLPOP: ERR wrong number"):
        wire.receive_reply()
    assert wire.run(echo("own")) == b"own"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"words of a job\n", "refused echo: ERR unknown command 'words'"),
        (b"PING\r\n", "before it answered: protocol error: no script answers so"),
        (b"CONFIG GET nothing\r\n", "before it answered: protocol error: no script answers so"),
    ],
)
def test_what_a_job_wrote_into_our_connection_shifts_no_reply(
    wire: Wire, words: bytes, told: str
) -> None:
    """It may have written to a number that it had closed, and that is ours by now."""
    wire.run(echo("warm"))
    os.write(wire.fileno(), words)
    with pytest.raises(HorusError, match=told):
        wire.run(echo("first"))
    assert [wire.run(echo(word)) for word in ("first", "second")] == [b"first", b"second"]


def test_a_call_while_a_reply_is_owed_gets_its_own_reply_on_a_new_connection(
    wire: Wire, redis_server: RedisServer, namespace: str
) -> None:
    wire.send_raw("BLPOP", f"{namespace}:a", 0)
    assert wire.run(echo("own")) == b"own"
    redis_server.client().lpush(f"{namespace}:a", "token")
    assert redis_server.client().llen(f"{namespace}:a") == 1


def test_a_pop_that_the_server_breaks_off_counts_as_its_being_away(
    redis_server: RedisServer, redis_url: str, namespace: str
) -> None:
    """As a primary does that becomes a replica."""
    raw = redis_server.client()
    with contextlib.closing(Wire(parse_url(redis_url), name=namespace)) as wire:
        wire.run(echo("warm"))
        [ours] = [int(who["id"]) for who in raw.client_list() if who["name"] == namespace]
        wire.send_raw("BLPOP", f"{namespace}:a", 0)
        wait_until(lambda: raw.client_unblock(ours, error=True), "a pop that waits")
        with pytest.raises(RedisAway, match="UNBLOCKED"):
            wire.receive_reply()


def test_a_refused_command_is_told_with_its_name(wire: Wire) -> None:
    wire.send_raw("BLPOP", "key-without-timeout")
    with pytest.raises(RedisRefused, match="refused BLPOP: ERR wrong number"):
        wire.receive_reply()
    assert wire.run(echo("on")) == b"on"


def test_a_reply_that_trickles_is_given_up_at_its_deadline(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with Proxy(tmp_path, redis_server.path) as proxy:
        proxy.delay_s = 8.0  # 18 bytes: one in 0.44 s
        wire = Wire(parse_url(proxy.url), timeout_s=0.5)
        wire.run(echo("warm"))
        proxy.next(Fault.BYTES)
        started = time.monotonic()
        with pytest.raises(ReplyLost, match="no answer in time"):
            wire.run(echo("drop by drop"))
        assert 0.45 < time.monotonic() - started < 4
        wire.close()


def test_after_a_reply_in_pieces_a_timeout_is_still_the_whole_one(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with Proxy(tmp_path, redis_server.path) as proxy:
        wire = Wire(parse_url(proxy.url), timeout_s=1.6)
        proxy.delay_s = 0.8
        wire.run(echo("warm"))
        proxy.next(Fault.BYTES)
        assert wire.run(echo("x")) == b"x"
        proxy.delay_s = 1.15  # the last piece was waited for for 1.03 s at most
        proxy.next(Fault.DELAY)
        assert wire.run(echo("y")) == b"y"
        wire.close()


def test_a_wait_that_signals_interrupt_is_over_when_it_is_told_to_be(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with Proxy(tmp_path, redis_server.path) as proxy:
        wire = Wire(parse_url(proxy.url), timeout_s=10.0)
        wire.run(echo("warm"))
        proxy.delay_s = 20.0
        proxy.next(Fault.DELAY)
        before = signal.signal(signal.SIGALRM, lambda *_: wire.hurry(0.5))
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.1)
        started = time.monotonic()
        try:
            with pytest.raises(ReplyLost, match="no answer in time"):
                wire.run(echo("hung"))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert 0.6 < time.monotonic() - started < 5
        wire.close()


def test_who_has_no_time_left_gets_what_is_answered_at_once_and_waits_for_nothing_else(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """As a runner has that is told to leave, where ``kill_after`` is 0s."""
    with Proxy(tmp_path, redis_server.path) as proxy:
        wire = Wire(parse_url(proxy.url))
        wire.run(echo("warm"))
        proxy.next(Fault.BLACKHOLE)
        wire.hurry(0)
        with pytest.raises(ReplyLost, match="no answer in time"):
            wire.run(echo("hung"))
        got: list[bytes] = []

        def answered() -> bool:
            with contextlib.suppress(RedisAway, ReplyLost):
                got.append(wire.run(echo("over a new connection")))
            return bool(got)

        wait_until(answered, "an answer", within_s=10)
        wire.close()


def test_words_of_an_enumeration_go_over_the_wire_as_their_values(wire: Wire) -> None:
    assert wire.run(echo(Death.CRASHED)) == b"crashed"
    assert wire.run(echo(True)) == b"1"
    assert wire.run(echo(1)) == b"1"


def test_receiving_without_having_sent_is_a_mistake_of_the_caller(wire: Wire) -> None:
    with pytest.raises(RuntimeError, match="no call waits"):
        wire.receive(echo("never sent"))


def test_closing_is_safe_to_repeat_and_descriptors_do_not_leak(redis_url: str) -> None:
    wire = Wire(parse_url(redis_url))
    wire.run(echo(1))
    before = len(open_descriptors())
    for _ in range(20):
        wire.connect()
        assert wire.run(echo(1)) == b"1"
    assert len(open_descriptors()) == before
    wire.close()
    wire.close()
    assert wire.fileno() == -1


def test_importing_the_wire_imports_neither_redis_nor_ssl() -> None:
    code = (
        "import sys, horus_supervisor.store.wire as w;"
        "sys.exit(any(name in sys.modules for name in ('redis', 'ssl', 'subprocess', 'asyncio')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
