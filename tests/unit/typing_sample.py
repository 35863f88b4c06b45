"""What a type checker has to see of a job class; mypy reads this file, nothing runs it.

A line that must be refused has an ignore, which mypy reports where the error is missing.
"""

from __future__ import annotations

from typing import assert_type

from horus_supervisor import AsyncClient, AsyncJobHandle, Client, Job, JobHandle, current_job


class EmailJob(Job, queue="emails", timeout=30, max_attempts=5):
    recipient: str
    subject: str
    message: str = ""

    def execute(self) -> None:
        assert_type(current_job().id, str)
        assert_type(current_job().stopping, bool)


class UrgentJob(EmailJob, max_crashes=None):
    level: int = 1


class Unfinished(Job):
    number: int


EmailJob("a@example.com", "Hi")
EmailJob("a@example.com", "Hi", message="there")
UrgentJob("a@example.com", subject="Hi", level=2)
EmailJob("a@example.com")  # type: ignore[call-arg]
EmailJob("a@example.com", 5)  # type: ignore[arg-type]
EmailJob("a@example.com", "Hi", colour="red")  # type: ignore[call-arg]
Unfinished(1)  # type: ignore[abstract]
assert_type(EmailJob("a@example.com", "Hi").message, str)


class BadOption(Job, queue=5):  # type: ignore[arg-type]
    def execute(self) -> None: ...


class NoOption(Job, retry=5):  # type: ignore[arg-type]
    def execute(self) -> None: ...


def enqueue(client: Client) -> None:
    handle = client.enqueue(EmailJob("a@example.com", "Hi"), delay=60)
    assert_type(handle, JobHandle)
    assert_type(handle.created, bool | None)
    client.enqueue_many([EmailJob("a@example.com", "Hi"), UrgentJob("b@example.com", "Hi")])
    client.enqueue("EmailJob")  # type: ignore[arg-type]
    client.enqueue(EmailJob("a@example.com", "Hi"), delay="1h")  # type: ignore[arg-type]


async def enqueue_awaited(client: AsyncClient) -> None:
    handle = await client.enqueue(EmailJob("a@example.com", "Hi"), delay=60)
    assert_type(handle, AsyncJobHandle)
    assert_type(handle.created, bool | None)
    assert_type(await client.enqueue_many([]), list[AsyncJobHandle])
