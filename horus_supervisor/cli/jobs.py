"""``horus jobs`` and ``horus dead``: lists of jobs."""

from __future__ import annotations

import time
from collections.abc import Iterable

import click

from horus_supervisor.cli import ids, names, output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.job_rows import (
    LISTED,
    count_by_queue,
    job_row,
    list_jobs,
    parked,
    short_name,
    unknown_queue,
    why,
)
from horus_supervisor.cli.output import Column
from horus_supervisor.cli.times import age, clock
from horus_supervisor.cli.wiring import Store, open_store
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Listed

LIMIT = 50

ENDED = (JobState.SUCCEEDED, JobState.DISCARDED)
STATES = (*LISTED, *ENDED)

COLUMNS = (
    Column("ID"),  # never cut: it is there to be typed
    Column("JOB", give=3),
    Column("QUEUE", give=2),
    Column("STATE"),
    Column("TRY", right=True),
    Column("CRASHES", right=True),
    Column("WHEN"),
)

DEAD_COLUMNS = (
    Column("DIED"),
    Column("ID"),
    Column("JOB", give=3),
    Column("QUEUE", give=2),
    Column("TRY", right=True),
    Column("WHY", give=4),
)


@click.command(epilog="Example: horus jobs --queue emails --state ready")
@names.queue_option(help="Only of this queue.")
@click.option("--tag", metavar="T", callback=names.tag, help="Only with this tag.")
@click.option("--state", type=click.Choice([str(s) for s in STATES]), help="Only in this state.")
@click.option("--limit", metavar="N", type=names.Count(), default=LIMIT, show_default=True)
@common_options
@click.pass_obj
def jobs(asked: Asked, queue: str | None, tag: str | None, state: str | None, limit: int) -> None:
    """List jobs: those that run, then ready, scheduled and dead ones.

    With --tag the first 10,000 jobs of each queue and state are looked through.
    Of jobs that succeeded or were discarded only the ids are kept, for a minute or two: ask for one
    with `horus show ID`.
    """
    states = LISTED if state is None else (JobState(state),)
    found: list[Listed] = []
    total = 0
    with open_store(asked) as store:
        if set(states) <= set(ENDED):
            past = "were discarded" if states[0] == JobState.DISCARDED else "succeeded"
            output.note(f"jobs that {past} aren't listed; for a minute or two: horus show ID")
        else:
            found, total = list_jobs(store, states, queue, limit, tag or "")
        unknown = "" if found or asked.json else unknown_queue(store, queue)
        if tag and not asked.json and _more_than_searched(store, states, queue):
            searched = f"the first {operations.SEARCHED:,} of each queue and state"
            output.note(f"only {searched} were looked through")
    if asked.json:
        output.print_json(jobs=[job_row(item) for item in found])
    elif found:
        _print(found)
        _tell_rest(len(found), total, "or more" if tag else "")
        for name in list(dict.fromkeys(item.job.name for item in found if parked(item)))[:3]:
            output.say(f"Next: {store.place.again} resume --job {output.clean(name)}")
    elif not set(states) <= set(ENDED):
        output.say(f"no such jobs{unknown}")


@click.command(epilog="Example: horus dead --queue emails")
@names.queue_option(help="Only of this queue.")
@click.option("--limit", metavar="N", type=names.Count(), default=LIMIT, show_default=True)
@common_options
@click.pass_obj
def dead(asked: Asked, queue: str | None, limit: int) -> None:
    """List dead jobs, the newest first: they wait for `horus retry` or `horus discard`."""
    with open_store(asked) as store:
        found, total = list_jobs(store, (JobState.DEAD,), queue, limit)
        reasons = {} if asked.json else _reasons(store, found)
        unknown = "" if found or asked.json else unknown_queue(store, queue)
    if asked.json:
        output.print_json(dead=[job_row(item) for item in found])
    elif found:
        _print_dead(found, reasons)
        _tell_rest(len(found), total)
        output.say(f"Next: {store.place.again} show ID; then retry ID, or --job JOB, or --all")
    else:
        output.say(f"no dead jobs{unknown}")


def _more_than_searched(store: Store, states: Iterable[JobState], queue: str | None) -> bool:
    overview = store.run(operations.overview(store.namespace))
    counts = [count_by_queue(overview, state) for state in states if state in LISTED]
    return any(
        number > operations.SEARCHED
        for of_state in counts
        for name, number in of_state.items()
        if queue in (None, name)
    )


def _print(found: list[Listed]) -> None:
    now_ms = time.time() * 1000
    shown = ids.short(item.job_id for item in found)
    rows = []
    for item in found:
        tries = item.holding.attempt if item.holding else item.job.attempts
        name, queue = short_name(item.job.name), item.job.queue
        counts = (str(item.state), str(tries), str(item.job.crashes))
        rows.append((shown[item.job_id], name, queue, *counts, _when(item, now_ms)))
    crashed = any(item.job.crashes for item in found)  # else its room is the ids'
    told = [at for at, column in enumerate(COLUMNS) if crashed or column.head != "CRASHES"]
    output.print_table([COLUMNS[at] for at in told], [[row[at] for at in told] for row in rows])


def _when(item: Listed, now_ms: float) -> str:
    match item.state:
        case JobState.RUNNING if item.holding:
            return f"for {age((now_ms - item.holding.started_ms) / 1000)}"
        case JobState.SCHEDULED if parked(item):
            return "held back"
        case JobState.SCHEDULED:
            return f"in {age(((item.since_ms or 0) - now_ms) / 1000)}"
        case JobState.DEAD:
            return f"{age((now_ms - (item.since_ms or 0)) / 1000)} ago"
    waited_ms = now_ms - (item.job.due_ms or item.job.enqueued_ms)
    return f"waits {age(waited_ms / 1000)}"


def _reasons(store: Store, found: list[Listed]) -> dict[str, str]:
    """Ask for the last line of each history."""
    details = store.run_many(operations.find(store.namespace, item.job_id) for item in found)
    return {job.job_id: why(job.history[-1]) for job in details if job.history}


def _print_dead(found: list[Listed], reasons: dict[str, str]) -> None:
    now_ms = time.time() * 1000
    shown = ids.short(item.job_id for item in found)
    rows = []
    for item in found:
        died, name = clock(item.since_ms or 0, now_ms), short_name(item.job.name)
        tries = f"{item.job.attempts}/{item.job.max_attempts}"
        reason = reasons.get(item.job_id, "")
        rows.append((died, shown[item.job_id], name, item.job.queue, tries, reason))
    output.print_table(DEAD_COLUMNS, rows)


def _tell_rest(shown: int, total: int, more: str = "") -> None:
    if shown < total:
        output.say(f"{shown} of {total}{' ' * bool(more)}{more}; more with --limit {total}")
