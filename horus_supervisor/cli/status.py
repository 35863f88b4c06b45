"""``horus status``: is all well, what waits where, who does what, what to type next."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

import click

from horus_supervisor.cli import crash_rows, ids, output, typed, verdict
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.crash_rows import Record
from horus_supervisor.cli.errors import Exit, Failure, tell, usage
from horus_supervisor.cli.house import Heard, House, Queue, Runner, Supervisor, see
from horus_supervisor.cli.job_rows import names_waiting, short_name
from horus_supervisor.cli.output import Column
from horus_supervisor.cli.place import Place
from horus_supervisor.cli.times import age, duration, milliseconds
from horus_supervisor.cli.verdict import Verdict
from horus_supervisor.cli.wiring import Store, open_store
from horus_supervisor.errors import RedisRefused
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.overview import Overview

BUSY_SHOWN = 20
"""Most runners that are listed with their job; ``--json`` has all."""

NAMED = 1000
"""Most running jobs whose names are asked for."""

LOOKED_AT = 20
"""Waiting jobs of each queue and state whose classes are looked for; the doctor looks at more."""

WATCH = "2s"
SOONEST_S = 0.1

QUEUES = (
    Column("QUEUE", give=1),
    Column("READY", right=True),
    Column("OLDEST", right=True),
    Column("RUNNING", right=True),
    Column("SCHED", right=True),
    Column("DEAD", right=True),
    Column("STATE"),
)

HOSTS = (
    Column("HOST", give=2),
    Column("RUNNERS", right=True),
    Column("UP", right=True),
    Column("VERSION", give=3),
    Column("NOW", give=1),
)

BUSY = (
    Column("RUNNER", give=3),
    Column("STATE"),
    Column("JOB", give=4),
    Column("ID"),
    Column("FOR", right=True),
)


@click.command(epilog="Example: horus status --watch")
@click.option("--check", is_flag=True, help="Exit with 3 where it is not well.")
@click.option(
    "--watch",
    metavar="[D]",
    is_flag=False,
    flag_value=WATCH,
    callback=duration,
    help=f"Again every {WATCH}, or every D, until Ctrl-C; with --json one object a line.",
)
@common_options
@click.pass_obj
def status(asked: Asked, check: bool, watch: float | None) -> int:
    """Say whether all is well; then queues, hosts and what each runner does.

    RUNNING: jobs that run / runners that should serve the queue. RUNNERS: alive / as many as should
    be.
    """
    if check and watch is not None:
        raise usage("--check and --watch: give one of them", f"{typed.again(asked)} status --check")
    with open_store(asked) as store:
        if watch is not None:
            with contextlib.suppress(KeyboardInterrupt):  # its usual end: no word about it
                _watch(store, asked, max(watch, SOONEST_S))
            return Exit.INTERRUPTED
        judged = _show(store, asked)
    return Exit.UNHEALTHY if check and not judged.well else 0


def _watch(store: Store, asked: Asked, every_s: float) -> NoReturn:
    """Show it again and again; an outage of Redis is told and outlived."""
    clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() and not asked.json else ""
    while True:
        click.echo(clear, nl=False)
        try:
            _show(store, asked)
        except Failure as failure:
            tell(failure, asked.json)
        sys.stdout.flush()
        time.sleep(every_s)


def _show(store: Store, asked: Asked) -> Verdict:
    house, crashes = look(store)
    names = names_waiting(store, house.queues, LOOKED_AT)
    judged = verdict.judge(house, crashes, house.strangers(names))
    if asked.json:
        output.print_json(
            healthy=judged.well,
            reasons=list(judged.reasons),
            queues=[queue.row() for queue in house.queues],
            supervisors=[one.row() for one in house.supervisors],
            held=[{"job": name, "parked": jobs} for name, jobs in sorted(house.held.items())],
        )
    else:
        print_house(house, crashes, judged)
        if not house.supervisors:  # one may run, and serve another namespace
            _print_place(store.place)
        output.say(f"Next: {store.place.typed(judged.next)}")
    return judged


def look(store: Store) -> tuple[House, list[Record]]:
    """Ask for everything that there is to see, and the crashes of late that blame somebody."""
    overview = store.run(operations.overview(store.namespace))
    names: dict[str, str] = {}
    if any(overview.slots.values()):
        call = operations.list_jobs(store.namespace, JobState.RUNNING, None, NAMED, heads=True)
        names = {item.job_id: item.job.name for item in store.run(call)}
    within_ms = round(verdict.CRASHES_WITHIN_S * 1000)
    records = crash_rows.newest(store, verdict.CRASHES_READ, within_ms)
    crashes = verdict.blaming(records, overview.crashing)
    return see(overview, names, _hear(store, overview)), crashes


def look_who_serves(store: Store) -> House:
    """Ask for queues and services only, without what runs there."""
    overview = store.run(operations.overview(store.namespace))
    return see(overview, {}, _hear(store, overview))


def _hear(store: Store, overview: Overview) -> Heard:
    """Ask Redis who is connected; a user that may not ask hears of none."""
    if not overview.supervisors:
        return Heard(None)
    try:
        clients = store.clients()
    except RedisRefused:
        return Heard(None)
    return Heard({c.get("name", ""): float(c.get("idle") or 0) for c in clients})


def print_house(house: House, crashes: Sequence[Record], judged: Verdict) -> None:
    """Write all of it for people."""
    _print_verdict(judged)
    if shown := [queue for queue in house.queues if _is_worth_a_row(queue)]:
        output.print_table(QUEUES, [_queue_row(house, queue, crashes) for queue in shown])
    if house.supervisors:
        output.print_table(HOSTS, [_host_row(house, one) for one in house.supervisors])
    busy = [(one, runner) for one in house.supervisors for runner in one.runners if runner.job_id]
    if busy:
        _print_busy(house, busy)


def _print_verdict(judged: Verdict) -> None:
    word = "OK" if judged.well else "NOT WELL"
    room = output.width() - len(word) - 2
    text = output.clean("; ".join(judged.reasons))
    parts = [text] if len(text) <= room else text.replace("; ", ";\n").splitlines()
    first, *rest = (line for part in parts for line in output.wrap(part, room))
    output.say(f"{output.paint(word, 'green' if judged.well else 'red')}  {first}")
    for line in rest:
        output.say(" " * (len(word) + 2) + line)


def _print_place(place: Place) -> None:
    text = f"Looked in {place.address.safe}, namespace {place.namespace} ({place.origin()})"
    for line in output.wrap(text, output.width()):
        output.say(line)


def _is_worth_a_row(queue: Queue) -> bool:
    """Tell whether a queue shows anything: one that was used once is known for ever."""
    holds = queue.ready or queue.scheduled or queue.running or queue.dead
    return bool(holds or queue.places or queue.paused)


def _queue_row(house: House, queue: Queue, crashes: Sequence[Record]) -> tuple[str, ...]:
    oldest = "-" if queue.oldest_ready_s is None else age(queue.oldest_ready_s)
    counts = (f"{queue.running}/{queue.places}", str(queue.scheduled), str(queue.dead))
    return queue.queue, str(queue.ready), oldest, *counts, verdict.state_of(house, queue, crashes)


def _host_row(house: House, one: Supervisor) -> tuple[str, ...]:
    up = age((house.now_ms - one.started_ms) / 1000)
    return one.told.host, f"{one.alive}/{one.wanted}", up, _version(one), _now(one)


def _version(one: Supervisor) -> str:
    """Tell what its runners run, all of it while new code is on its way."""
    versions = sorted({runner.told.app_version or "" for runner in one.runners} - {""})
    return ", ".join(versions) or one.told.app_version or one.told.version or "-"


def _now(one: Supervisor) -> str:
    if one.silent:
        return "silent: its keeper is not connected"
    counts = Counter("restarting" if not r.alive else r.state for r in one.runners)
    told = ", ".join(f"{count} {state}" for state, count in counts.most_common()) or "-"
    return f"stopping: {told}" if one.told.stopping else told


def _print_busy(house: House, busy: list[tuple[Supervisor, Runner]]) -> None:
    shown = ids.short(runner.job_id or "" for _, runner in busy)
    several = len({one.told.host for one, _ in busy}) > 1 or len(house.supervisors) > 1
    rows = []
    for one, runner in busy[:BUSY_SHOWN]:
        name = f"{one.told.host}:{runner.told.runner}" if several else runner.told.runner
        since_ms = milliseconds(runner.since)
        spent = age((house.now_ms - since_ms) / 1000) if since_ms else "-"
        job = short_name(runner.job or "-")
        rows.append((name, runner.state, job, shown[runner.job_id or ""], spent))
    output.print_table(BUSY, rows)
    if len(busy) > BUSY_SHOWN:
        output.say(f"and {len(busy) - BUSY_SHOWN} more: {len(busy)} jobs run")
