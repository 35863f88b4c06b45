"""The client against a real server: what enqueue promises, with broken calls too."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from horus_supervisor.client import Client, JobHandle
from horus_supervisor.errors import EnqueueUnknown, HorusError, PayloadError, RedisAway
from horus_supervisor.ids import new_job_id
from horus_supervisor.job.definition import Job
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import RedisServer


class EmailJob(Job, queue="emails", name="test_client.EmailJob"):
    recipient: str
    size: int = 0

    def execute(self) -> None: ...


@pytest.fixture
def client(redis_url: str, namespace: str) -> Iterator[Client]:
    with Client(redis_url, namespace=namespace) as client:
        yield client


@pytest.fixture
def through(proxy: Proxy, namespace: str) -> Iterator[Client]:
    """A client behind the proxy, connected: the next request is the call that a test is about."""
    with Client(proxy.url, namespace=namespace, timeout=2) as client:
        client.enqueue_many([EmailJob("warm", n) for n in range(2)], queue="warm")
        client.enqueue(EmailJob("warm"), queue="warm")
        client.status("warm")
        yield client


def ready(client: Client, queue: str = "emails") -> list[str]:
    """The ids that wait on a queue, in the order in which they were enqueued."""
    ids: list[bytes] = client.connection.raw.lrange(f"{{{client.namespace}}}:ready:{queue}", 0, -1)  # type: ignore[assignment]
    return [one.decode() for one in reversed(ids)]


def keys(client: Client) -> list[bytes]:
    return client.connection.raw.keys(f"{{{client.namespace}}}:*")  # type: ignore[return-value]


# --- one job ---------------------------------------------------------------------------------


def test_an_enqueued_job_is_ready_on_the_queue_of_its_class(client: Client) -> None:
    handle = client.enqueue(EmailJob("a@example.com"))

    assert (handle.queue, handle.created) == ("emails", True)
    assert handle.status() == "ready"
    assert ready(client) == [handle.id]


def test_a_call_may_name_another_queue(client: Client) -> None:
    handle = client.enqueue(EmailJob("a@example.com"), queue="bulk")
    assert handle.queue == "bulk"
    assert ready(client, "bulk") == [handle.id]


def test_an_id_that_is_known_changes_nothing(client: Client) -> None:
    first = client.enqueue(EmailJob("a@example.com"), id="order-17")
    again = client.enqueue(EmailJob("b@example.com"), id="order-17", queue="bulk")

    assert (first.created, again.created) == (True, False)
    assert again.id == "order-17"
    assert ready(client) == ["order-17"]
    assert ready(client, "bulk") == []


def test_a_job_for_later_is_scheduled(client: Client) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert client.enqueue(EmailJob("a@example.com"), delay=60).status() == "scheduled"
    assert client.enqueue(EmailJob("a@example.com"), at=in_an_hour).status() == "scheduled"


def test_a_job_for_a_moment_in_the_past_is_ready(client: Client) -> None:
    long_ago = datetime(1066, 10, 14, tzinfo=UTC)
    assert client.enqueue(EmailJob("a@example.com"), at=long_ago).status() == "ready"


def test_a_job_without_a_class_is_enqueued(client: Client) -> None:
    handle = client.enqueue_raw("elsewhere.Job", b'{"a":1}', "bulk")
    assert handle.status() == "ready"
    assert ready(client, "bulk") == [handle.id]


def test_an_id_that_was_never_known_is_unknown(client: Client) -> None:
    assert client.status(new_job_id()) == "unknown"


def test_a_refused_job_leaves_nothing_behind(client: Client) -> None:
    with pytest.raises(PayloadError):
        client.enqueue(EmailJob(5))  # type: ignore[arg-type]
    assert keys(client) == []


# --- many jobs -------------------------------------------------------------------------------


def test_many_jobs_are_enqueued_in_their_order(client: Client) -> None:
    handles = client.enqueue_many(EmailJob("a@example.com", n) for n in range(1200))

    assert len(handles) == 1200
    assert all(handle.created for handle in handles)
    assert ready(client) == [handle.id for handle in handles]


def test_one_bad_job_among_many_sends_none(client: Client) -> None:
    with pytest.raises(PayloadError):
        client.enqueue_many([EmailJob("a@example.com"), EmailJob(5)])  # type: ignore[arg-type]
    assert keys(client) == []


def test_no_jobs_are_no_trouble(client: Client) -> None:
    assert client.enqueue_many([]) == []


# --- broken calls ----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.CUT_AFTER, Fault.CUT_IN_REPLY, Fault.BLACKHOLE])
def test_a_lost_reply_is_repeated_and_makes_one_job(
    through: Client, proxy: Proxy, fault: Fault
) -> None:
    proxy.next(fault)
    handle = through.enqueue(EmailJob("a@example.com"))

    assert proxy.struck
    assert handle.created is None
    assert ready(through) == [handle.id]


def test_a_lost_request_is_repeated_and_makes_the_job(through: Client, proxy: Proxy) -> None:
    proxy.next(Fault.CUT_BEFORE)
    handle = through.enqueue(EmailJob("a@example.com"))

    assert proxy.struck
    assert handle.created is True
    assert ready(through) == [handle.id]


def test_many_jobs_whose_replies_were_lost_are_there_once(through: Client, proxy: Proxy) -> None:
    proxy.next(Fault.CUT_AFTER)
    handles = through.enqueue_many(EmailJob("a@example.com", n) for n in range(20))

    assert proxy.struck
    assert {handle.created for handle in handles} <= {None, True}
    assert ready(through) == [handle.id for handle in handles]


def test_a_lost_answer_about_a_status_is_asked_for_again(through: Client, proxy: Proxy) -> None:
    handle = through.enqueue(EmailJob("a@example.com"))
    proxy.next(Fault.CUT_AFTER)
    assert handle.status() == "ready"
    assert proxy.struck


def test_with_nobody_there_the_job_was_not_enqueued(tmp_path: object, namespace: str) -> None:
    with Client(f"unix://{tmp_path}/none.sock", namespace=namespace, timeout=0.3) as client:
        before = time.monotonic()
        with pytest.raises(RedisAway):
            client.enqueue(EmailJob("a@example.com"))
        assert 0.3 <= time.monotonic() - before < 2


def test_a_server_that_hangs_leaves_it_open_and_the_same_id_settles_it(
    own_redis: RedisServer, namespace: str
) -> None:
    with Client(own_redis.url, namespace=namespace, timeout=0.6) as client:
        client.enqueue(EmailJob("warm"), queue="warm")
        own_redis.pause()
        before = time.monotonic()
        with pytest.raises(EnqueueUnknown) as unknown:
            client.enqueue(EmailJob("a@example.com"))
        assert time.monotonic() - before < 2
        own_redis.resume()

        client.enqueue(EmailJob("a@example.com"), id=unknown.value.job_id)
        assert ready(client) == [unknown.value.job_id]


def test_a_server_that_comes_back_in_time_gets_the_job(
    own_redis: RedisServer, namespace: str
) -> None:
    handles: list[JobHandle] = []
    with Client(own_redis.url, namespace=namespace, timeout=10) as client:
        client.enqueue(EmailJob("warm"), queue="warm")
        own_redis.stop()
        enqueue = threading.Thread(
            target=lambda: handles.append(client.enqueue(EmailJob("a@example.com")))
        )
        enqueue.start()
        own_redis.start()
        enqueue.join(timeout=10)
        assert ready(client) == [handle.id for handle in handles]
    assert len(handles) == 1


# --- sharing ---------------------------------------------------------------------------------


def test_threads_share_a_client(client: Client) -> None:
    def enqueue() -> None:
        for _ in range(25):
            client.enqueue(EmailJob("a@example.com"))

    threads = [threading.Thread(target=enqueue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ready(client))) == 200


def test_parent_and_forked_child_share_a_client(client: Client) -> None:
    first = client.enqueue(EmailJob("parent"))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if client.enqueue(EmailJob("child")).created else 1
        finally:
            os._exit(code)
    mine = [client.enqueue(EmailJob("parent")).id for _ in range(20)]
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    waiting = ready(client)
    assert len(set(waiting)) == 22
    assert {first.id, *mine} <= set(waiting)


# --- where Redis is --------------------------------------------------------------------------


def test_the_environment_says_where_redis_is(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORUS_URL", redis_url)
    with Client(namespace=namespace) as client:
        assert client.enqueue(EmailJob("a@example.com")).created


def test_what_the_call_says_goes_before_the_environment(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORUS_URL", "redis://localhost:1")
    with Client(redis_url, namespace=namespace) as client:
        assert client.enqueue(EmailJob("a@example.com")).created


def test_without_either_it_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HORUS_URL", raising=False)
    assert Client().connection.address.safe == "localhost:6379"


def test_a_redis_client_says_where_redis_is(redis_server: RedisServer, namespace: str) -> None:
    theirs = redis_server.client(decode_responses=True)
    with Client(theirs, namespace=namespace) as client:
        assert client.enqueue(EmailJob("a@example.com")).status() == "ready"
    assert theirs.ping()


def test_a_url_that_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(HorusError):
        Client("http://localhost")


@pytest.mark.parametrize("namespace", ["", "a b", "{a}", "é"])
def test_a_bad_namespace_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        Client("redis://localhost", namespace=namespace)


def test_a_client_never_shows_its_password() -> None:
    client = Client("redis://me:secret@localhost:6379/0")
    assert "secret" not in repr(client)
    assert "localhost:6379" in repr(client)


def test_a_closed_client_connects_again(client: Client) -> None:
    client.enqueue(EmailJob("a@example.com"))
    client.close()
    assert client.enqueue(EmailJob("b@example.com")).created
