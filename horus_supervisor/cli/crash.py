"""``horus crash``: one crash record, whole."""

from __future__ import annotations

import json
import time

import click

from horus_supervisor import stacks
from horus_supervisor.cli import completing, crash_rows, ids, output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.crash_rows import Record, how
from horus_supervisor.cli.crashes import state_now
from horus_supervisor.cli.job_rows import short_name
from horus_supervisor.cli.times import age, clock, milliseconds
from horus_supervisor.cli.wiring import open_store
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations

ALIKE = 500


@click.command(epilog="Example: horus crash a6d94971")
@click.argument("crash_id", metavar="ID", shell_complete=completing.crash_ids)
@common_options
@click.pass_obj
def crash(asked: Asked, crash_id: str) -> None:
    """Show one crash whole: how the runner died, its job, its last words. ID may be shortened.

    Of a job's ID the last crash is shown.
    The stack is shown from the job's code on; --json has all of it.
    """
    with open_store(asked) as store:
        record, newest = ids.find_crash(store, crash_id)
        job_id = record.get("job_id")
        state = store.run(operations.state(store.namespace, job_id)) if job_id else None
        held = store.run(operations.overview(store.namespace)).held
    if asked.json:
        output.print_json(crash=crash_rows.whole(record))
        return
    _print(record, crash_rows.alike(record, newest[:ALIKE]))
    if record.get("job") in held:
        text = f"{record['job']} is held back: {store.place.again} resume --job {record['job']}"
        output.fact("class", text)
    _print_end(record, state, store.place.again)


def _print(record: Record, alike: list[Record]) -> None:
    now_ms = time.time() * 1000
    output.say(_head(record, now_ms))
    if record.get("job_id"):
        took = f", ran {age(record['ran_for_s'])}" if record.get("ran_for_s") is not None else ""
        where = f"{record.get('queue')}, attempt {record.get('attempt')}{took}"
        output.fact("job", f"{record['job_id']} {where}")
    if len(alike) > 1:
        output.fact("alike", _alike(alike, now_ms))
    if record.get("traceback"):
        output.fact("stack", stacks.of_job(record["traceback"]))
    if record.get("hung_in"):
        output.fact("hung in", str(record["hung_in"]))
    if record.get("core_path"):
        output.fact("core", str(record["core_path"]))
    if record.get("output_tail"):
        output.fact("output", "\n".join(map(str, record["output_tail"])))
    if usage := _usage(record):
        output.fact("usage", usage)
    if record.get("args") is not None:
        output.fact("args", json.dumps(record["args"], ensure_ascii=False))
    if record.get("note"):
        output.fact("note", str(record["note"]))


def _head(record: Record, now_ms: float) -> str:
    who = short_name(record["job"]) if record.get("job") else f"runner {record.get('runner')}"
    at_ms = milliseconds(record.get("timestamp"))
    parts = [f"{who} {_died(record)} on {record.get('host')}"]
    if record.get("pid"):
        parts[0] += f" pid {record['pid']}"
    if at_ms:
        parts.append(clock(at_ms, now_ms))
    if record.get("app_version"):
        parts.append(f"app {record['app_version']}")
    return output.clean(", ".join(parts))


def _died(record: Record) -> str:
    match record.get("cause"):
        case "signal":
            return f"killed by {how(record)}" + (
                ", core dumped" if record.get("core_dumped") else ""
            )
        case "exit":
            return f"ended {'its runner ' if record.get('job') else ''}with {how(record)}"
        case "timeout" | "memory" | "oom" | "stuck":
            return f"killed: {record['cause']}"
        case "supervisor_lost" | "host_lost":
            return f"lost: {record['cause'].replace('_', ' ')}"
    return f"died: {how(record)}"


def _alike(records: list[Record], now_ms: float) -> str:
    """Say how often this happened; ``records`` come newest first."""
    hosts = sorted({str(record.get("host")) for record in records})
    jobs = len({record["job_id"] for record in records if record.get("job_id")})
    first_ms = milliseconds(records[-1].get("timestamp"))
    where = f"only {hosts[0]}" if len(hosts) == 1 else f"on {len(hosts)} hosts"
    since = f", first {clock(first_ms, now_ms)}" if first_ms else ""
    whose = f"of {output.count(jobs, 'job')}" if jobs else "without a job"
    return f"{len(records)} crashes {whose}{since}, {where}"


def _usage(record: Record) -> str:
    parts = []
    if (peak := record.get("max_rss_bytes")) is not None:
        parts.append(f"peak {output.size(peak)}")
    if (cpu := record.get("user_cpu_s")) is not None:
        parts.append(f"cpu {age(cpu + (record.get('system_cpu_s') or 0))}")
    if (uptime := record.get("uptime_s")) is not None:
        parts.append(
            f"runner up {age(uptime)}, {output.count(record.get('jobs_done') or 0, 'job')} done"
        )
    return ", ".join(parts)


def _print_end(record: Record, state: JobState | None, again: str) -> None:
    """Say what became of the job, and what to type next."""
    if state is None:
        early = not (record.get("job") or record.get("jobs_done"))
        when = "It had begun no job yet" if early else "No job was in flight"
        output.say(f"{when}. Next: {again} crashes --by cause")
        return
    became = f"{str(record.get('disposition')).capitalize()} after attempt {record.get('attempt')}"
    now = state_now(record, state)
    if now != record.get("disposition"):
        became += f"; the job is {now} now"
    verb = "retry" if state is JobState.DEAD else "show"
    output.say(f"{became}. Next: {again} {verb} {record['job_id']}")
