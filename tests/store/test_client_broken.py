"""Both clients where calls break: what is repeated, how long, and what the errors tell."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from horus_supervisor import tries
from horus_supervisor.errors import EnqueueUnknown, HorusError, QueueFull, RedisAway
from tests.support.clients import EmailJob, Make, Waiting
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer

TIMEOUT_S = 1.0
SLACK_S = 0.7
"""What a busy machine may add to a client's timeout before a test calls that too long."""

JOB = EmailJob("a@example.com")


@pytest.fixture
def through(make: Make, proxy: Proxy, namespace: str) -> Iterator[Any]:
    """A client behind the proxy, connected: the next request is the call that a test is about."""
    with make(proxy.url, namespace=namespace, timeout=2) as client:
        client.enqueue(EmailJob("warm"), queue="warm")
        client.status("warm")
        yield client


class Stopwatch:
    """Checks that a block raises in time. ``error``: what it raised."""

    error: HorusError

    def __enter__(self) -> Stopwatch:
        self._began = time.monotonic()
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        assert isinstance(error, HorusError), "a HorusError was to be raised"
        assert time.monotonic() - self._began < TIMEOUT_S + SLACK_S
        self.error = error
        return True


# --- repeated --------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.CUT_AFTER, Fault.CUT_IN_REPLY, Fault.BLACKHOLE])
def test_a_lost_reply_is_repeated_and_makes_one_job(
    through: Any, proxy: Proxy, waiting: Waiting, fault: Fault
) -> None:
    proxy.next(fault)
    handle = through.enqueue(JOB)

    assert proxy.struck
    assert handle.created is None
    assert waiting.on() == [handle.id]


def test_a_lost_request_is_repeated_and_makes_the_job(
    through: Any, proxy: Proxy, waiting: Waiting
) -> None:
    proxy.next(Fault.CUT_BEFORE)
    handle = through.enqueue(JOB)

    assert proxy.struck
    assert handle.created is True
    assert waiting.on() == [handle.id]


def test_many_jobs_whose_replies_were_lost_are_there_once(
    through: Any, proxy: Proxy, waiting: Waiting
) -> None:
    proxy.next(Fault.CUT_AFTER)
    handles = through.enqueue_many(EmailJob("a@example.com", n) for n in range(20))

    assert proxy.struck
    assert {handle.created for handle in handles} <= {None, True}
    assert waiting.on() == [handle.id for handle in handles]


def test_only_the_round_trip_that_broke_is_repeated(
    through: Any, proxy: Proxy, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "CHUNK", 10)
    proxy.next(Fault.CUT_AFTER, spare=1)
    handles = through.enqueue_many(EmailJob("a@example.com", n) for n in range(30))

    assert proxy.struck
    assert [handle.created for handle in handles] == [True] * 10 + [None] * 10 + [True] * 10
    assert waiting.on() == [handle.id for handle in handles]


def test_a_lost_answer_about_a_status_is_asked_for_again(through: Any, proxy: Proxy) -> None:
    handle = through.enqueue(JOB)
    proxy.next(Fault.CUT_AFTER)
    assert handle.status() == "ready"
    assert proxy.struck


def test_a_server_that_comes_back_in_time_gets_the_job(
    make: Make, own_redis: RedisServer, namespace: str
) -> None:
    handles: list[Any] = []
    with make(own_redis.url, namespace=namespace, timeout=10) as client:
        client.enqueue(EmailJob("warm"), queue="warm")
        own_redis.stop()
        enqueue = threading.Thread(target=lambda: handles.append(client.enqueue(JOB)))
        enqueue.start()
        own_redis.start()
        enqueue.join(timeout=10)
        with own_redis.client() as raw:
            assert Waiting(raw, namespace).on() == [handle.id for handle in handles]
    assert len(handles) == 1


# --- never longer than the timeout -----------------------------------------------------------


def test_with_nobody_there_the_job_was_not_enqueued(
    make: Make, tmp_path: Path, namespace: str
) -> None:
    with make(f"unix://{tmp_path}/none.sock", namespace=namespace, timeout=TIMEOUT_S) as client:
        with Stopwatch() as watch:
            client.enqueue(JOB)
        assert isinstance(watch.error, RedisAway)
        assert watch.error.job_ids == ()


def test_a_server_that_hangs_leaves_it_open_and_the_same_id_settles_it(
    make: Make, own_redis: RedisServer, namespace: str
) -> None:
    with make(own_redis.url, namespace=namespace, timeout=TIMEOUT_S) as client:
        client.enqueue(EmailJob("warm"), queue="warm")
        own_redis.pause()
        with Stopwatch() as watch:
            client.enqueue(JOB)
        own_redis.resume()

        assert isinstance(watch.error, EnqueueUnknown)
        client.enqueue(JOB, id=watch.error.job_id)
        with own_redis.client() as raw:
            assert Waiting(raw, namespace).on() == [watch.error.job_id]


def test_a_server_that_hangs_from_the_beginning_got_nothing(
    make: Make, own_redis: RedisServer, namespace: str
) -> None:
    own_redis.pause()
    with make(own_redis.url, namespace=namespace, timeout=TIMEOUT_S) as client:
        with Stopwatch() as watch:
            client.enqueue(JOB)
        assert isinstance(watch.error, RedisAway)
    own_redis.resume()


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a listener that lets nobody in: what is sent to connect is dropped unanswered."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filling in (first, second):
            filling.setblocking(False)
            filling.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("userinfo", ["", "user:password@"])
def test_a_connection_that_is_never_accepted_is_given_up_in_time(
    make: Make, deaf: int, namespace: str, userinfo: str
) -> None:
    url = f"redis://{userinfo}127.0.0.1:{deaf}"
    with make(url, namespace=namespace, timeout=TIMEOUT_S) as client:
        with Stopwatch() as watch:
            client.enqueue(JOB)
        assert isinstance(watch.error, RedisAway)
        assert "no answer in time" in str(watch.error)


def test_waits_that_follow_each_other_keep_one_timeout(
    make: Make, proxy: Proxy, namespace: str
) -> None:
    """The introduction, the version, the call: none is late, together they are."""
    proxy.delay_s = 0.45 * TIMEOUT_S
    proxy.slow = True
    url = f"{proxy.url}?db=1"
    with make(url, namespace=namespace, timeout=TIMEOUT_S) as client, Stopwatch():
        client.enqueue(JOB)


def test_a_status_is_given_up_in_time(make: Make, own_redis: RedisServer, namespace: str) -> None:
    with make(own_redis.url, namespace=namespace, timeout=TIMEOUT_S) as client:
        client.status("warm")
        own_redis.pause()
        with Stopwatch():
            client.status("any")
        own_redis.resume()


# --- many jobs, broken midway ----------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER])
def test_what_is_known_of_many_is_told_and_a_repeat_with_their_ids_settles_it(
    make: Make,
    proxy: Proxy,
    redis_url: str,
    namespace: str,
    waiting: Waiting,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    monkeypatch.setattr(tries, "CHUNK", 10)
    jobs = [EmailJob("a@example.com", n) for n in range(30)]
    with make(proxy.url, namespace=namespace, timeout=TIMEOUT_S) as client:
        client.enqueue(jobs[0], queue="warm")  # the server knows the script from now on
        proxy.next(fault, spare=1, gone=True)
        with pytest.raises(EnqueueUnknown, match="of 30 jobs 10 are on their queues") as told:
            client.enqueue_many(jobs)

    ids = told.value.job_ids
    assert (len(ids), told.value.enqueued) == (30, ids[:10])
    assert told.value.job_id == ids[10]
    assert waiting.on() == list(ids[: 20 if fault is Fault.CUT_AFTER else 10])
    with make(redis_url, namespace=namespace) as client:
        client.enqueue_many(jobs, ids=ids)
    assert waiting.on() == list(ids)


def test_a_server_that_fills_up_midway_tells_which_jobs_it_took(
    make: Make, own_redis: RedisServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "CHUNK", 10)
    with make(own_redis.url, namespace=namespace) as client, own_redis.client() as raw:
        client.status("warm")
        raw.config_set("maxmemory", raw.info("memory")["used_memory"] + 2_000_000)
        with pytest.raises(QueueFull, match="the others are not") as told:
            client.enqueue_many(EmailJob("x" * 200_000) for _ in range(40))
        assert 0 < len(told.value.enqueued) < 40
        assert list(told.value.enqueued) == Waiting(raw, namespace).on()
        assert len(told.value.job_ids) == 40


def test_a_server_that_is_full_takes_none_and_says_so(
    make: Make, own_redis: RedisServer, namespace: str
) -> None:
    with make(own_redis.url, namespace=namespace) as client, own_redis.client() as raw:
        raw.config_set("maxmemory", 1)
        with pytest.raises(QueueFull) as told:
            client.enqueue_many([JOB] * 3)
        assert told.value.job_ids == ()
