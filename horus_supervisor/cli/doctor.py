"""``horus doctor``: looks at everything that can be wrong around the jobs, and says what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import click

from horus_supervisor.cli import checks_of_jobs, checks_of_machine, checks_of_redis, output, typed
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.errors import Exit, Failure
from horus_supervisor.cli.findings import Finding, Level, error, ok, warning
from horus_supervisor.cli.job_rows import names_waiting
from horus_supervisor.cli.output import count
from horus_supervisor.cli.place import Place
from horus_supervisor.cli.wiring import Store, errors_in_words, locate
from horus_supervisor.errors import RedisRefused
from horus_supervisor.store import operations

LOOKED_AT = 100
"""Waiting jobs of each queue and state whose classes are looked for."""

COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red"}


@click.command(epilog="Example: horus -c config.toml doctor")
@common_options
@click.pass_obj
def doctor(asked: Asked) -> int:
    """Look for what is wrong with this machine, this Redis and this file.

    Changes nothing. Run it as the user of the service, on its host. Each finding says why it
    matters and what to type. Exit status: 1 where there is an error, else 0, with warnings too.
    """
    again = typed.again(asked)
    try:
        place = locate(asked, whole=False)
    except Failure as failure:
        why = "neither the service nor horus knows where the jobs are"
        findings = [error("file", failure.message, why, failure.hint)]
    else:
        findings = [replace(one, type=place.typed(one.type)) for one in _look(asked, place)]
    errors = sum(one.level is Level.ERROR for one in findings)
    warnings = sum(one.level is Level.WARNING for one in findings)
    if asked.json:
        rows = [one.row() for one in findings]
        output.print_json(healthy=errors == 0, findings=rows)
    else:
        _print(findings, errors, warnings, again)
    return Exit.FAILED if errors else 0


def _look(asked: Asked, place: Place) -> Iterator[Finding]:
    """Look at the file first, then the machine, then Redis."""
    if place.mistakes:
        try:
            locate(asked)
        except Failure as failure:
            why = "no service starts with it, one that runs keeps to what it was before"
            yield error("file", failure.message, why, failure.hint)
    if place.config:
        yield from checks_of_machine.look(place.config)
    else:
        yield ok("file", "none is named: -c FILE has it and this machine looked at, too")
    store = Store(place)
    try:
        with errors_in_words(place):
            yield from _look_at_redis(store)
    except Failure as failure:
        yield error("redis", failure.message, "nothing works without it", _instead(failure))
    finally:
        store.close()


def _instead(failure: Failure) -> str:
    """Give the hint, where it isn't to ask the doctor."""
    if failure.hint.endswith("doctor"):
        return "start Redis there, or say where it is with -c FILE or --url URL"
    return failure.hint


def _look_at_redis(store: Store) -> Iterator[Finding]:
    from horus_supervisor.cli.status import look

    house, _ = look(store)
    overview = store.run(operations.overview(store.namespace))
    try:
        yield from checks_of_redis.look(store.info())
    except RedisRefused as refused:
        why = "its version, memory and persistence are unknown"
        yield warning("redis", str(refused), why, "permit INFO to this user")
    yield from _writes(store)
    yield from _clock(store)
    yield from checks_of_jobs.services(house)
    yield from checks_of_jobs.unserved(house)
    yield from checks_of_jobs.strangers(house, names_waiting(store, house.queues, LOOKED_AT))
    yield from checks_of_jobs.held(house)
    yield from checks_of_jobs.conservation(overview)


def _writes(store: Store) -> Iterator[Finding]:
    """Make a call that may write, and finds nothing to: Redis refuses it where it takes no writes.

    For want of replicas, of disk, of rights: services look gone then, as no heartbeat is taken.
    """
    try:
        store.run(operations.beat(store.namespace, "doctor", b"{}"))
    except Failure as refused:
        why = "nothing can be enqueued, claimed or finished, and services look gone"
        yield error(
            "writes", refused.message, why, "mend what Redis names: INFO replication, its log"
        )


def _clock(store: Store) -> Iterator[Finding]:
    """Compare clocks, the answer being half a round trip old."""
    asked_at, began = time.time(), time.monotonic()
    theirs = store.now_s()
    round_trip_s = time.monotonic() - began
    yield from checks_of_redis.clock(asked_at + round_trip_s / 2 - theirs, round_trip_s)


def _print(findings: list[Finding], errors: int, warnings: int, again: str) -> None:
    told = [count(errors, "error")] * bool(errors) + [count(warnings, "warning")] * bool(warnings)
    word = output.paint("NOT WELL" if errors else "OK", "red" if errors else "green")
    output.say(f"{word}  {', '.join(told) or f'{len(findings)} checks, nothing found'}")
    wide = max(len(one.check) for one in findings)
    for one in findings:
        level = output.paint(f"{one.level:<7}", COLOURS[one.level])
        _print_part(f"{level}  {one.check:<{wide}}  ", 11 + wide, one.what)
        for name, text in (("why", one.why), ("try", one.type)):
            if text:
                _print_part(" " * (11 + wide) + f"{name}: ", 16 + wide, text, whole=name == "try")
    worst = next((one for one in findings if one.level is Level.ERROR and one.type), None)
    output.say(f"Next: {worst.type if worst else f'{again} status'}")


def _print_part(head: str, indent: int, text: str, *, whole: bool = False) -> None:
    """Write a text in its column; what is to be typed stays on one line."""
    room = max(30, output.width() - indent)
    clean = output.clean(text)
    lines = clean.splitlines()
    if not whole:
        lines = [part for line in lines for part in output.wrap(line, room)]
    for at, line in enumerate(lines):
        output.say((" " * indent if at else head) + line)
