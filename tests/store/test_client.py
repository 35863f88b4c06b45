"""Both clients against a real server: what enqueue promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import redis.asyncio

from horus_supervisor import Client, Job
from horus_supervisor.errors import HorusError, PayloadError
from horus_supervisor.ids import new_job_id
from horus_supervisor.store import operations
from tests.support.clients import EmailJob, Make, ReportJob, Waiting
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

# --- one job ---------------------------------------------------------------------------------


def test_an_enqueued_job_is_ready_on_the_queue_of_its_class(client: Any, waiting: Waiting) -> None:
    handle = client.enqueue(EmailJob("a@example.com"))

    assert (handle.queue, handle.created) == ("emails", True)
    assert handle.status() == "ready"
    assert waiting.on() == [handle.id]


def test_a_call_may_name_another_queue(client: Any, waiting: Waiting) -> None:
    handle = client.enqueue(EmailJob("a@example.com"), queue="bulk")
    assert handle.queue == "bulk"
    assert waiting.on("bulk") == [handle.id]


def test_an_id_that_is_known_changes_nothing(client: Any, waiting: Waiting) -> None:
    first = client.enqueue(EmailJob("a@example.com"), id="order-17")
    again = client.enqueue(EmailJob("b@example.com"), id="order-17", queue="bulk")

    assert (first.created, again.created) == (True, False)
    assert again.id == "order-17"
    assert waiting.on() == ["order-17"]
    assert waiting.on("bulk") == []


def test_a_job_for_later_is_scheduled(client: Any) -> None:
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert client.enqueue(EmailJob("a@example.com"), delay=60).status() == "scheduled"
    assert client.enqueue(EmailJob("a@example.com"), at=in_an_hour).status() == "scheduled"


def test_a_job_for_a_moment_in_the_past_is_ready(client: Any) -> None:
    long_ago = datetime(1066, 10, 14, tzinfo=UTC)
    assert client.enqueue(EmailJob("a@example.com"), at=long_ago).status() == "ready"


def test_a_job_without_a_class_is_enqueued(client: Any, waiting: Waiting) -> None:
    handle = client.enqueue_raw("elsewhere.Job", b'{"a":1}', "bulk")
    assert handle.status() == "ready"
    assert waiting.on("bulk") == [handle.id]


def test_an_id_that_was_never_known_is_unknown(client: Any) -> None:
    assert client.status(new_job_id()) == "unknown"


def test_a_refused_job_leaves_nothing_behind(client: Any, waiting: Waiting) -> None:
    with pytest.raises(PayloadError):
        client.enqueue(EmailJob(5))  # type: ignore[arg-type]
    assert waiting.keys() == []


# --- many jobs -------------------------------------------------------------------------------


def test_many_jobs_are_enqueued_in_their_order(client: Any, waiting: Waiting) -> None:
    handles = client.enqueue_many(EmailJob("a@example.com", n) for n in range(1200))

    assert len(handles) == 1200
    assert all(handle.created for handle in handles)
    assert waiting.on() == [handle.id for handle in handles]


def test_one_bad_job_among_many_sends_none(client: Any, waiting: Waiting) -> None:
    with pytest.raises(PayloadError):
        client.enqueue_many([EmailJob("a@example.com"), EmailJob(5)])  # type: ignore[arg-type]
    assert waiting.keys() == []


def test_many_jobs_may_go_to_another_queue(client: Any, waiting: Waiting) -> None:
    [handle] = client.enqueue_many([EmailJob("a")], queue="bulk")
    assert (handle.queue, waiting.on("bulk")) == ("bulk", [handle.id])


def test_jobs_of_several_classes_each_go_to_their_queue(client: Any, waiting: Waiting) -> None:
    jobs = [EmailJob("a"), ReportJob(1), EmailJob("b"), ReportJob(2)]
    first, second, third, fourth = (handle.id for handle in client.enqueue_many(jobs))
    assert (waiting.on(), waiting.on("reports")) == ([first, third], [second, fourth])


def test_many_jobs_may_have_their_ids_named_and_the_known_change_nothing(
    client: Any, waiting: Waiting
) -> None:
    jobs = [EmailJob("a"), EmailJob("b"), EmailJob("c")]
    client.enqueue(jobs[1], id="2")
    handles = client.enqueue_many(jobs, ids=["1", "2", "3"])
    assert [(handle.id, handle.created) for handle in handles] == [
        ("1", True),
        ("2", False),
        ("3", True),
    ]
    assert waiting.on() == ["2", "1", "3"]


def test_more_bytes_than_one_round_trip_takes_arrive(client: Any, waiting: Waiting) -> None:
    jobs = [EmailJob("x" * 200_000, n) for n in range(30)]
    assert [handle.id for handle in client.enqueue_many(jobs)] == waiting.on()


def test_no_jobs_are_no_trouble(client: Any) -> None:
    assert client.enqueue_many([]) == []


# --- where Redis is --------------------------------------------------------------------------


def test_the_environment_says_where_redis_is(
    make: Make, redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORUS_URL", redis_url)
    with make(namespace=namespace) as client:
        assert client.enqueue(EmailJob("a@example.com")).created


def test_what_the_call_says_goes_before_the_environment(
    make: Make, redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORUS_URL", "redis://localhost:1")
    with make(redis_url, namespace=namespace) as client:
        assert client.enqueue(EmailJob("a@example.com")).created


def test_without_either_it_is_on_this_machine(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HORUS_URL", raising=False)
    assert make().connection.address.url == "redis://localhost:6379/0"
    assert make().connection.address.safe == "localhost:6379 (HORUS_URL is not set)"
    assert make("redis://localhost").connection.address.safe == "localhost:6379"


def test_an_environment_that_can_not_be_used_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORUS_URL", "localhost:6379")
    with pytest.raises(HorusError, match=r"^HORUS_URL: a Redis URL begins with"):
        make()


def test_a_redis_client_says_where_redis_is(
    make: Make, redis_server: RedisServer, namespace: str
) -> None:
    theirs: Any = redis.Redis if make is Client else redis.asyncio.Redis
    lent = theirs(unix_socket_path=redis_server.path, decode_responses=True, protocol=3)
    with make(lent, namespace=namespace) as client:
        assert client.enqueue(EmailJob("a@example.com")).status() == "ready"


def test_a_redis_client_of_the_other_kind_is_refused(make: Make) -> None:
    theirs: Any = redis.asyncio.Redis if make is Client else redis.Redis
    with pytest.raises(TypeError, match=r"a redis\.\S*Redis is needed, not a redis\."):
        make(theirs())


def test_a_url_that_cannot_be_used_is_refused_at_once(make: Make) -> None:
    with pytest.raises(HorusError):
        make("http://localhost")


@pytest.mark.parametrize("namespace", ["", "a b", "{a}", "é", "shop/eu", "a" * 65])
def test_a_bad_namespace_is_refused(make: Make, namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        make("redis://localhost", namespace=namespace)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5", None])
def test_a_bad_timeout_is_refused(make: Make, timeout: Any) -> None:
    with pytest.raises(ValueError, match="timeout"):
        make("redis://localhost", timeout=timeout)


def test_a_client_never_shows_its_password(make: Make) -> None:
    client = make("redis://me:secret@localhost:6379/0")
    assert "secret" not in repr(client)
    assert "localhost:6379" in repr(client)


def test_a_closed_client_connects_again(client: Any) -> None:
    client.enqueue(EmailJob("a@example.com"))
    client.close()
    assert client.enqueue(EmailJob("b@example.com")).created


def test_a_client_closes_its_connections_at_the_end_of_its_block(
    make: Make, redis_server: RedisServer, namespace: str
) -> None:
    with redis_server.client() as raw:

        def connected() -> int:
            return int(raw.info("clients")["connected_clients"])

        before = connected()
        with make(redis_server.url, namespace=namespace) as client:
            client.enqueue(EmailJob("a@example.com"))
            assert connected() == before + 1
        wait_until(lambda: connected() == before, "it closes")


class Fragile(Job, queue="emails", name="clients.Fragile", max_crashes=7):
    def execute(self) -> None: ...

    def on_crash(self, crash: dict[str, Any]) -> None: ...


@pytest.mark.parametrize("way", ["job", "raw"])
def test_what_is_asked_of_a_job_travels_with_it(
    client: Any, redis_server: RedisServer, way: str
) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    asked: dict[str, Any] = {"id": "1", "max_attempts": 3, "timeout": 90, "at": due}
    asked |= {"expires": 3600, "tags": ["mail"]}
    if way == "job":
        client.enqueue(Fragile(), **asked)
    else:
        client.enqueue_raw("clients.Fragile", b"{}", "emails", **asked)
    with Client(redis_server.url, namespace=client.namespace) as plain:
        job = plain.connection.run(operations.find(client.namespace, "1")).job
    assert job is not None
    assert (job.max_attempts, job.timeout_ms, job.tags) == (3, 90_000, ("mail",))
    assert job.max_crashes == (7 if way == "job" else 0)
    assert 0 <= job.due_ms - due.timestamp() * 1000 <= 1
    assert job.expires_ms == job.due_ms + 3_600_000


def test_a_clients_limit_of_bytes_holds_for_each_way_to_enqueue(
    make: Make, redis_url: str, namespace: str, waiting: Waiting
) -> None:
    large = EmailJob("a" * 50)
    with make(redis_url, namespace=namespace, max_payload_bytes=50) as client:
        ways: list[Callable[[], Any]] = [
            lambda: client.enqueue(large),
            lambda: client.enqueue_many([large]),
            lambda: client.enqueue_many([EmailJob("a"), large]),
            lambda: client.enqueue_raw("clients.EmailJob", b'{"recipient":"%050d"}' % 5, "q"),
        ]
        for enqueue in ways:
            with pytest.raises(PayloadError, match="at most 50 may travel"):
                enqueue()
    assert waiting.keys() == []
