"""``horus crashes``: runners that died, listed or counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from horus_supervisor.cli import crash_rows, ids, names, output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.crash_rows import Record, how
from horus_supervisor.cli.job_rows import short_name
from horus_supervisor.cli.output import Column
from horus_supervisor.cli.times import clock, duration, milliseconds
from horus_supervisor.cli.wiring import Store, open_store
from horus_supervisor.lifecycle import Disposition, JobState
from horus_supervisor.store import operations

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMIT = 20
COUNTED = 10_000
"""Most records that ``--by`` looks at: more than Redis keeps."""

COLUMNS = (
    Column("WHEN"),
    Column("ID"),
    Column("CAUSE"),
    Column("JOB", give=4),
    Column("QUEUE", give=3),
    Column("HOST", give=2),
    Column("TRY", right=True),
    Column("JOB IS NOW", give=1),
)


@click.command(epilog="Example: horus crashes --since 1h --by job")
@click.option("--limit", metavar="N", type=names.Count(), help=f"[default: {LIMIT}]")
@click.option("--since", metavar="D", callback=duration, help="Not older than this: 10m, 1h30m.")
@click.option("--by", type=click.Choice(["job", "cause", "host"]), help="Count instead of listing.")
@common_options
@click.pass_obj
def crashes(asked: Asked, limit: int | None, since: float | None, by: str | None) -> None:
    """List the deaths of runners that nobody asked for, the newest first."""
    most = limit or (COUNTED if by else LIMIT)
    since_ms = None if since is None else round(since * 1000)
    with open_store(asked) as store:
        records = crash_rows.newest(store, most, since_ms)
        states = {} if asked.json or by else _states_now(store, records)
    if asked.json:
        rows = crash_rows.kinds(records, by) if by else [crash_rows.whole(r) for r in records]
        output.print_json(crashes=rows)
    elif not records:
        output.say("no crashes")
    elif by:
        _print_kinds(crash_rows.kinds(records, by), by)
    else:
        _print(records, states)
        output.say(f"Next: {store.place.again} crash ID")


def _states_now(store: Store, records: Iterable[Record]) -> dict[str, JobState]:
    """Ask where the jobs are that were in flight."""
    job_ids = list({record["job_id"] for record in records if record.get("job_id")})
    states = store.run_many(operations.state(store.namespace, job_id) for job_id in job_ids)
    return dict(zip(job_ids, states, strict=True))


def state_now(record: Record, state: JobState | None) -> str:
    """Say where a crash's job is now; of a dead one, why, where this crash made it so."""
    if state is None:
        return "-"
    last = record.get("disposition") in (Disposition.QUARANTINED, Disposition.EXHAUSTED)
    if state is JobState.UNKNOWN:
        return "gone"
    return str(record["disposition"]) if state is JobState.DEAD and last else str(state)


def _print(records: list[Record], states: dict[str, JobState]) -> None:
    now_ms = time.time() * 1000
    shown = ids.short((record["crash_id"] for record in records), ids.LEAST_OF_CRASH)
    last = {record.get("job_id"): record for record in reversed(records)}
    rows = []
    for record in records:
        at_ms = milliseconds(record.get("timestamp"))
        job = short_name(record["job"]) if record.get("job") else "-"
        job_id = record.get("job_id")
        state = state_now(last[job_id], states.get(job_id or ""))
        place = (record.get("queue") or "-", str(record.get("host") or "-"))
        when = clock(at_ms, now_ms) if at_ms else "-"
        tries = str(record.get("attempt") or "-")
        rows.append((when, shown[record["crash_id"]], how(record), job, *place, tries, state))
    output.print_table(COLUMNS, rows)


def _print_kinds(rows: list[Record], by: str) -> None:
    now_ms = time.time() * 1000
    columns = (
        Column(by.upper(), give=2),
        Column("CRASHES", right=True),
        Column("JOBS", right=True),
        Column("FIRST"),
        Column("LAST"),
        Column("HOSTS", give=1),
    )
    table = []
    for row in rows:
        name = how(row) if by == "cause" else str(row[by] or "-")
        times = (milliseconds(row["first_at"]), milliseconds(row["last_at"]))
        spans = [clock(at_ms, now_ms) if at_ms else "-" for at_ms in times]
        table.append((name, str(row["count"]), str(row["jobs"]), *spans, ",".join(row["hosts"])))
    output.print_table(columns, table)
