"""``horus show``: all that is known of one job."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from horus_supervisor import stacks
from horus_supervisor.cli import completing, ids, output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.house import Heard, House, runner_of, see
from horus_supervisor.cli.job_rows import last_trouble, parked, short_kind, whole_row, why
from horus_supervisor.cli.output import Column
from horus_supervisor.cli.times import age, clock
from horus_supervisor.cli.wiring import open_store
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.rows import Found, Note, Packed

HISTORY = (
    Column("WHEN"),
    Column("TRY", right=True),
    Column("WHAT"),
    Column("WHERE", give=2, least=24),
    Column("WHY", give=1),
)


@click.command(epilog="Example: horus show 01a03189-8c")
@click.argument("job_id", metavar="ID", shell_complete=completing.job_ids)
@common_options
@click.pass_obj
def show(asked: Asked, job_id: str) -> None:
    """Show one job: its state, arguments, last error and history. ID may be shortened.

    The stack is shown from the job's code on; --json has all of it.
    """
    with open_store(asked) as store:
        found = ids.find_job(store, job_id, quiet=asked.json)
        overview = store.run(operations.overview(store.namespace))
    row = whole_row(found)
    if asked.json:
        output.print_json(job=row)
        return
    held = overview.held
    print_job(found, row, runner_of(overview, found.holding.slot) if found.holding else "")
    if found.job and found.job.name in held and not parked(found):
        output.fact("class", "held back: none of its jobs starts")
    if found.job and (parked(found) or found.job.name in held):
        output.say(f"Next: {store.place.again} resume --job {output.clean(found.job.name)}")
    elif found.state is JobState.DEAD:
        output.say(f"Next: {store.place.again} {_way_back(found, overview.now_ms)}")
    elif found.job and found.state in (JobState.READY, JobState.SCHEDULED):
        _print_vain(see(overview, {}, Heard(None)), found.job, store.place.again)


def _way_back(dead: Found, now_ms: float) -> str:
    """Tell what to type next about a dead job."""
    if dead.job and dead.job.is_late(now_ms):
        return f"discard {dead.job_id}"
    last = last_trouble(dead.history)
    fell = last and last.facts.get("cause")  # its runner died: the record has the rest
    return f"{f'crash {dead.job_id}; then ' if fell else ''}retry {dead.job_id}"


def _print_vain(house: House, job: Packed, again: str) -> None:
    """Say why a job waits for longer than for its turn, if it does."""
    if vain := house.in_vain(job.queue, job.name):
        why_not, reason = vain
        output.fact("waits", output.clean(reason))
        verbs = {"paused": f"resume {job.queue}", "strange": "doctor"}
        output.say(f"Next: {again} {verbs.get(why_not, 'status')}")


def print_job(found: Found, row: dict[str, Any], runner: str = "") -> None:
    """Write a job for people; ``runner``: who runs it."""
    now_ms = time.time() * 1000
    output.say(f"{output.clean(found.job.name) if found.job else 'job'} {found.job_id}")
    output.fact("state", _state(found, now_ms, runner))
    if found.job is None:
        output.say("finished: only its id is kept, for a minute or two")
        return
    _print_record(found.job, row, now_ms)
    if row["error_type"] or row["error_message"]:
        kind = short_kind(row["error_type"] or "")
        output.fact("error", ": ".join(filter(None, (kind, row["error_message"]))))
    if row["traceback"]:
        output.fact("stack", stacks.of_job(row["traceback"]))
    if found.history:
        output.say()
        output.print_table(HISTORY, [_history(line, now_ms) for line in found.history])


def _print_record(job: Packed, row: dict[str, Any], now_ms: float) -> None:
    output.fact("queue", job.queue)
    crashes = f", crashes {job.crashes}" if job.crashes else ""
    output.fact("attempt", f"{row['attempt']} of {job.max_attempts}{crashes}")
    ago = age((now_ms - job.enqueued_ms) / 1000)
    output.fact("enqueued", f"{clock(job.enqueued_ms, now_ms)}, {ago} ago")
    if job.tags:
        output.fact("tags", ", ".join(job.tags))
    if job.expires_ms:
        output.fact("expires", clock(job.expires_ms, now_ms))
    readable = row["args"] is not None
    text = json.dumps(row["args"], ensure_ascii=False) if readable else f"not JSON: {job.payload!r}"
    output.fact("args", text if len(text) <= 2000 else f"{text[:2000]}… (all: --json)")


def _state(found: Found, now_ms: float, runner: str) -> str:
    state, since_ms = str(found.state), found.since_ms
    if found.holding:
        held = found.holding
        return f"{state} for {age((now_ms - held.started_ms) / 1000)}, in {runner or held.slot}"
    if since_ms is None:
        return state
    if parked(found) and found.job:
        return f"{state}, held back: horus resume --job {found.job.name}"
    if found.state is JobState.SCHEDULED:
        return f"{state}, due {clock(since_ms, now_ms)}, in {age((since_ms - now_ms) / 1000)}"
    return f"{state} since {clock(since_ms, now_ms)}, {age((now_ms - since_ms) / 1000)} ago"


def _history(line: Note, now_ms: float) -> tuple[str, ...]:
    runner, host = line.facts.get("runner"), line.facts.get("host")
    where = f"{host}:{runner}" if runner and host else str(runner or host or "")
    reason = "" if line.what == "retried" else why(line)
    return clock(line.at_ms, now_ms), str(line.attempt or ""), line.what, where, reason
