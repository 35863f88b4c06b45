"""Who may share a client: threads, tasks, forked processes; event loops one after the other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from horus_supervisor import AsyncClient, Client
from tests.support.clients import EmailJob, Waiting
from tests.support.redis_server import RedisServer
from tests.support.waiting import wait_until

JOB = EmailJob("a@example.com")
MANY = 25


@pytest.fixture
def client(redis_url: str, namespace: str) -> Iterator[Client]:
    with Client(redis_url, namespace=namespace) as client:
        yield client


def forked(work: Callable[[], bool]) -> int:
    """Do some work in a forked child, which ends without cleaning up; gives its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return pid


def ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# --- threads ---------------------------------------------------------------------------------


def test_threads_share_a_client(client: Client, waiting: Waiting) -> None:
    def enqueue() -> None:
        for _ in range(MANY):
            client.enqueue(JOB)

    threads = [threading.Thread(target=enqueue) for _ in range(20)]  # more than connections
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(waiting.on())) == 20 * MANY


def test_an_idle_connection_that_the_server_closed_is_not_taken_for_a_lost_reply(
    own_redis: RedisServer, namespace: str
) -> None:
    with Client(own_redis.url, namespace=namespace) as client:
        client.enqueue(JOB, id="1")
        own_redis.stop()
        own_redis.start()
        assert client.enqueue(JOB, id="1").created is False


# --- forks -----------------------------------------------------------------------------------


def test_parent_and_forked_child_share_a_client_and_get_their_own_replies(
    client: Client, waiting: Waiting
) -> None:
    mine = client.enqueue(JOB)
    pid = forked(
        lambda: all(
            client.enqueue(JOB).created and client.status("nobody's") == "unknown"
            for _ in range(MANY)
        )
    )
    told = {mine.status() for _ in range(10 * MANY)}

    assert ended_well(pid)
    assert told == {"ready"}
    assert len(set(waiting.on())) == MANY + 1


def test_a_child_forked_while_threads_use_every_connection_gets_its_own(
    own_redis: RedisServer, namespace: str
) -> None:
    client = Client(own_redis.url, namespace=namespace, timeout=10)
    client.status("warm")
    own_redis.pause()
    threads = [threading.Thread(target=lambda: client.enqueue(JOB)) for _ in range(20)]
    for thread in threads:
        thread.start()
    pid = forked(lambda: client.enqueue(JOB).created is True)
    own_redis.resume()
    for thread in threads:
        thread.join()
    assert ended_well(pid)
    with own_redis.client() as raw:
        assert len(Waiting(raw, namespace).on()) == 21
    client.close()


def test_a_child_leaves_its_parents_connection_alone(
    own_redis: RedisServer, namespace: str
) -> None:
    def work() -> bool:
        client.enqueue(JOB)
        client.close()
        return True

    def connections() -> set[str]:
        return {one["id"] for one in raw.client_list()}

    with Client(own_redis.url, namespace=namespace) as client, own_redis.client() as raw:
        client.enqueue(JOB)
        before = connections()
        assert ended_well(forked(work))
        wait_until(lambda: connections() == before, "the child's connection to be gone")
        client.enqueue(JOB)
        assert connections() == before


# --- tasks, event loops ----------------------------------------------------------------------


def test_tasks_share_an_async_client(redis_url: str, namespace: str, waiting: Waiting) -> None:
    async def main() -> None:
        async with AsyncClient(redis_url, namespace=namespace) as client:
            await asyncio.gather(*(client.enqueue(JOB) for _ in range(20 * MANY)))

    asyncio.run(main())
    assert len(set(waiting.on())) == 20 * MANY


def test_a_cancelled_call_leaves_no_reply_behind(own_redis: RedisServer, namespace: str) -> None:
    async def main() -> None:
        async with AsyncClient(own_redis.url, namespace=namespace) as client:
            known = await client.enqueue(JOB)
            own_redis.pause()
            call = asyncio.ensure_future(client.status("nobody"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0.1)
            own_redis.resume()
            assert await known.status() == "ready"

    asyncio.run(main())


def test_an_idle_connection_that_the_server_closed_is_not_taken_for_a_lost_reply_by_asyncio(
    own_redis: RedisServer, namespace: str
) -> None:
    async def main() -> None:
        async with AsyncClient(own_redis.url, namespace=namespace) as client:
            await client.enqueue(JOB, id="1")
            await asyncio.to_thread(own_redis.stop)
            await asyncio.to_thread(own_redis.start)
            assert (await client.enqueue(JOB, id="1")).created is False

    asyncio.run(main())


def test_an_async_client_goes_on_in_the_next_event_loop(redis_url: str, namespace: str) -> None:
    client = AsyncClient(redis_url, namespace=namespace)

    async def use_and_close() -> None:
        await client.enqueue(JOB)
        await client.close()

    for _ in range(2):
        asyncio.run(use_and_close())


def test_an_async_client_says_so_where_another_event_loop_has_it(
    redis_url: str, namespace: str
) -> None:
    client = AsyncClient(redis_url, namespace=namespace)
    with asyncio.Runner() as one, asyncio.Runner() as other:
        one.run(client.enqueue(JOB))
        with pytest.raises(RuntimeError, match="used by another event loop: close it there"):
            other.run(client.enqueue(JOB))
        one.run(client.close())
        other.run(client.enqueue(JOB))
        other.run(client.close())


def test_a_child_forked_inside_a_running_loop_uses_the_client_in_its_own(
    redis_url: str, namespace: str, waiting: Waiting
) -> None:
    async def main() -> None:
        async with AsyncClient(redis_url, namespace=namespace) as client:

            async def enqueue() -> bool:
                made = [(await client.enqueue(JOB)).created for _ in range(MANY)]
                return all(made)

            await client.enqueue(JOB)
            pid = forked(lambda: in_a_thread(lambda: asyncio.run(enqueue())))
            assert await enqueue()
            assert await asyncio.to_thread(ended_well, pid)
            assert await enqueue()

    asyncio.run(main())
    assert len(set(waiting.on())) == 3 * MANY + 1


def in_a_thread(work: Callable[[], bool]) -> bool:
    """Do some work beside the event loop that this thread seems to run."""
    done: list[bool] = []
    thread = threading.Thread(target=lambda: done.append(work()))
    thread.start()
    thread.join()
    return done == [True]
