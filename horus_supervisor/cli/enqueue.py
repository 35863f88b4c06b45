"""``horus enqueue``: a job onto its queue."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from horus_supervisor.cli import names, output
from horus_supervisor.cli.classes import find_class, not_found
from horus_supervisor.cli.errors import Failure, usage
from horus_supervisor.cli.times import duration, moment
from horus_supervisor.cli.wiring import Asked, Place, json_option, locate, open_client

if TYPE_CHECKING:
    from horus_supervisor.job.definition import Job


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--queue", metavar="Q", callback=names.queue, help="Instead of the job class's.")
@click.option("--args", "text", metavar="JSON", default="{}", help="An object: field -> value.")
@click.option("--delay", metavar="D", callback=duration, help="Start so much later: 90s, 1h30m.")
@click.option("--at", metavar="T", callback=moment, help="Start then: 2026-08-24T02:14:07Z.")
@click.option("--id", "job_id", metavar="ID", help="Its id: one that is known changes nothing.")
@json_option
@click.pass_obj
def enqueue(
    asked: Asked,
    job: str,
    queue: str | None,
    text: str,
    delay: float | None,
    at: datetime | None,
    job_id: str | None,
) -> None:
    """Put a job on its queue, and print its id.

    JOB is the job's name: module.Class, or what name= says. Where its class can be imported, the
    arguments are checked against it; where it can't, --queue is needed.
    """
    _check(text)
    place = locate(asked)
    cls = _class(place, job, queue)
    when: dict[str, Any] = {"delay": delay, "at": at, "id": job_id}
    with open_client(place) as client:
        if cls is not None:
            from horus_supervisor.cli.arguments import make

            handle = client.enqueue(make(cls, text), queue=queue, **when)
        else:
            assert queue is not None  # or _class had failed
            handle = client.enqueue_raw(job, text.encode(), queue, **when)
    if asked.json:
        output.print_json(job={"job_id": handle.id, "created": handle.created})
        return
    output.say(handle.id)
    if handle.created is False:
        output.note("this id is known already: nothing was changed")


def _check(text: str) -> None:
    """Refuse arguments that are no JSON object, whatever the class."""
    try:
        args = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        example = """--args '{"recipient": "a@example.com"}'"""
        raise usage(f"--args is not JSON: {error}", example) from None
    if not isinstance(args, dict):
        raise usage("--args: allowed is an object, field -> value", """--args '{"n": 1}'""")


def _class(place: Place, name: str, queue: str | None) -> type[Job] | None:
    """Find the class to check against; None where there is none and the queue is named."""
    try:
        cls = find_class(place, name)
    except Failure as failure:
        if queue is None:
            raise
        output.note(f"not checked: {failure.message}")
        return None
    if cls is None and queue is None:
        raise not_found(place, name)
    return cls
