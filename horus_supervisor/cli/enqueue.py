"""``horus enqueue``: a job onto its queue."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from horus_supervisor.cli import names, output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.classes import find_class, not_found, so_ending
from horus_supervisor.cli.errors import Failure, usage
from horus_supervisor.cli.place import Place
from horus_supervisor.cli.times import duration, moment
from horus_supervisor.cli.typed import RELOAD
from horus_supervisor.cli.wiring import Store, errors_in_words, open_store

if TYPE_CHECKING:
    from horus_supervisor.cli.house import House, Vain
    from horus_supervisor.enqueue import Enqueue
    from horus_supervisor.job.definition import Job


@click.command(epilog="""Example: horus enqueue shop.SendMail --args '{"to": "a@b.org"}'""")
@click.argument("job", metavar="JOB")
@names.queue_option(help="Instead of the job class's.")
@click.option("--args", "text", metavar="JSON", default="{}", help="An object: field -> value.")
@click.option("--delay", metavar="D", callback=duration, help="Start so much later: 90s, 1h30m.")
@click.option("--at", metavar="T", callback=moment, help="Start then: 2026-08-24T02:14:07Z.")
@click.option(
    "--expires",
    metavar="D",
    callback=duration,
    help="Discard it where it was not started so long after it is due.",
)
@click.option(
    "--tag", "tags", metavar="T", multiple=True, callback=names.tag, help="Mark it; repeatable."
)
@click.option("--id", "job_id", metavar="ID", help="Its id: one that is known changes nothing.")
@common_options
@click.pass_obj
def enqueue(
    asked: Asked,
    job: str,
    queue: str | None,
    text: str,
    delay: float | None,
    at: datetime | None,
    expires: float | None,
    tags: tuple[str, ...],
    job_id: str | None,
) -> None:
    """Put a job on its queue, and print its id.

    JOB is the job's name: module.Class, or what name= says. Where its class can be imported, the
    arguments are checked against it; where it can't, --queue is needed.
    """
    _check(text)
    asked_for = {"delay": delay, "at": at, "expires": expires, "tags": tags, "id": job_id}
    with open_store(asked, whole=True) as store, errors_in_words(store.place):
        cls = _class(store.place, job, queue)
        order = _order(store.place, cls, job, text, queue, asked_for)
        created = store.enqueue(order)
        trouble = None if asked.json else _who_takes(store, order)
    if asked.json:
        output.print_json(job={"job_id": order.job_id, "created": created})
        return
    output.say(order.job_id)
    if created is False:
        output.note("this id is known already: nothing was changed")
    elif trouble:
        output.note(*trouble)


def _order(
    place: Place,
    cls: type[Job] | None,
    name: str,
    text: str,
    queue: str | None,
    asked_for: dict[str, Any],
) -> Enqueue:
    from horus_supervisor.enqueue import prepare, prepare_raw

    most = place.max_payload_bytes
    if cls is None:
        assert queue is not None  # or _class had failed
        return prepare_raw(name, text.encode(), queue, max_bytes=most, **asked_for)
    from horus_supervisor.cli.arguments import make

    return prepare(make(cls, text), queue=queue, max_bytes=most, **asked_for)


def _who_takes(store: Store, order: Enqueue) -> tuple[str, str] | None:
    """Say why nobody would take this job now, and what to try; where nobody tells, nothing."""
    from horus_supervisor.cli.status import look_who_serves

    try:
        house = look_who_serves(store)
    except Failure:
        return None  # the job is on its queue all the same
    found = house.in_vain(order.queue, order.name)
    return _in_words(store.place, order, house, *found) if found else None


def _in_words(
    place: Place, order: Enqueue, house: House, vain: Vain, reason: str
) -> tuple[str, str]:
    again, queue, waits = place.again, order.queue, f"{reason}: the job waits"
    match vain:
        case "held":
            return waits, f"{again} resume --job {order.name}, once it is mended"
        case "paused":
            return waits, f"{again} resume {queue}"
        case "absent":
            return f"{waits} in {queue}", place.start
        case "unserved":
            served = [one.queue for one in house.queues if house.serves(one.queue)]
            hint = f"[queues] {queue} = 1 in the service's file, or {again} work -q {queue}"
            return f"{waits} (served: {', '.join(served[:5]) or '-'})", hint
        case "strange":
            if meant := so_ending(order.name):
                hint = f"{again} discard --yes {order.job_id}, then {again} enqueue {meant[0]}"
                return f"{reason} (there is {meant[0]}): the job waits", hint
            return waits, f"add its module to [supervisor] imports, then {RELOAD}"


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
