"""``horus-supervisor --check``: what a file would run, or every mistake of it.

The supervisor's program becomes this one, so that it may ask Redis; job code is imported in a
child. What waits in Redis is looked at by sample, and never a mistake of the file.
"""

from __future__ import annotations

import collections
import contextlib
import json
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from horus_supervisor.cli import output
from horus_supervisor.cli.check_imports import Ask, Broken, Done, JobClass, Sample, try_imports
from horus_supervisor.cli.check_waiting import Waiting, look
from horus_supervisor.cli.job_rows import short_name
from horus_supervisor.cli.output import Column
from horus_supervisor.config.content import content
from horus_supervisor.config.describe import notes, would_run
from horus_supervisor.config.lines import scan
from horus_supervisor.config.load import imports_of, load
from horus_supervisor.config.schema import Config
from horus_supervisor.config.units import format_duration, format_size
from horus_supervisor.embedded import find_server
from horus_supervisor.errors import ConfigError, HorusError, Mistake
from horus_supervisor.lifecycle import ON_CRASH

Found = dict[str, Any]

_QUEUES_WIDE = 18

_GROUPS = (
    *(
        Column("GROUP", give=1),
        Column("RUNNERS", right=True),
        Column("QUEUES", give=2, least=_QUEUES_WIDE),
    ),
    *(Column("ORDER"), Column("TIMEOUT"), Column("RECYCLE"), Column("CRASHES", right=True)),
)
_JOBS = (
    *(Column("JOB CLASS", give=2), Column("QUEUE", give=1), Column("TIMEOUT")),
    Column("ATTEMPTS", right=True),
)
_WAITING = (
    *(Column("QUEUE", give=2), Column("JOB", give=1), Column("JOBS", right=True)),
    Column("WOULD NOT RUN", give=3),
)


def main(file: str, as_json: bool) -> int:
    """Check a file. Exit status: 0 it would run, 2 it has mistakes, 130 interrupted."""
    output.open_streams()
    try:
        found = check(Path(file))
    except ConfigError as error:
        _tell_mistakes(error, as_json)
        return 2
    except KeyboardInterrupt:
        return 130
    if as_json:
        output.print_json(check=found)
    else:
        _show(found)
    return 0


def check(file: Path) -> Found:
    """Tell what a file would run. Raises: ``ConfigError`` with every mistake, its imports' too."""
    try:
        config = load(file, pipes=True)
    except ConfigError as error:
        imports, path = imports_of(file)
        broken, _ = try_imports(Ask(path, imports))
        told = [*error.details, *_mistakes(file, imports, broken)]
        raise ConfigError(_in_order(told)) from None
    waiting, why = look(config)
    samples = [Sample(one.job.name, one.job.payload) for queue in waiting for one in queue.jobs]
    supervisor = config.supervisor
    broken, done = try_imports(
        Ask(
            [str(folder) for folder in supervisor.path],
            list(supervisor.imports),
            max_payload_bytes=supervisor.max_payload_bytes,
            within_s=supervisor.import_timeout_s,
            samples=samples,
        )
    )
    if broken:
        raise ConfigError(_in_order(_mistakes(file, supervisor.imports, broken)))
    return {
        **would_run(config),
        "jobs": [msgspec.structs.asdict(one) for one in done.classes],
        "waiting": {
            "error": why,
            "queues": _judge(waiting, {ON_CRASH, *(c.job for c in done.classes)}, done.refused),
        },
        "notes": [
            *notes(config),
            *_without_server(config),
            *_unserved(config, done.classes),
            *_left(done),
        ],
    }


def _judge(waiting: Iterable[Waiting], known: set[str], refused: list[str]) -> list[Found]:
    """Count, queue by queue, the jobs that no imported class could run, and why."""
    reasons = iter(refused)
    queues = []
    for queue in waiting:
        unknown: collections.Counter[str] = collections.Counter()
        undecodable: collections.Counter[str] = collections.Counter()
        errors: dict[str, str] = {}
        for listed in queue.jobs:
            job, reason = listed.job.name, next(reasons)
            if job not in known:
                unknown[job] += 1
            elif reason:
                undecodable[job] += 1
                errors.setdefault(job, reason)
        queues.append(
            {
                "queue": queue.queue,
                "ready": queue.ready,
                "scheduled": queue.scheduled,
                "looked_at": len(queue.jobs),
                "unknown": [{"job": job, "count": n} for job, n in unknown.most_common()],
                "undecodable": [
                    {"job": job, "count": n, "error": errors[job]}
                    for job, n in undecodable.most_common()
                ],
            }
        )
    return queues


def _unserved(config: Config, classes: Sequence[JobClass]) -> list[str]:
    """Note queues of job classes that no runner here serves, or that there is no class."""
    if config.supervisor.imports and not classes:
        return ["supervisor.imports has no job class: no runner will know any"]
    served = {queue for group in config.groups if group.runners for queue in group.queues}
    missing: dict[str, list[str]] = {}
    for one in classes:
        if one.queue not in served:
            missing.setdefault(one.queue, []).append(one.job)
    return [
        f"no runner here serves the queue {queue}, on which {', '.join(jobs)} is put by default"
        for queue, jobs in missing.items()
    ]


def _without_server(config: Config) -> list[str]:
    """Note that an embedded Redis can't be started here; it may where the service runs."""
    try:
        if config.redis.address.folder is not None:
            find_server()
    except HorusError as error:
        return [str(error)]
    return []


def _left(done: Done) -> list[str]:
    """Note what imports leave that runners should not be forked with."""
    return [
        f"importing {module} leaves {what}: do that in on_runner_start"
        for module, what in done.left.items()
    ]


# --- mistakes --------------------------------------------------------------------------------


def _mistakes(file: Path, imports: Sequence[str], broken: Sequence[Broken]) -> list[Mistake]:
    """Make a mistake of the file of each module that can't be imported, with its line."""
    if not broken:
        return []
    text = ""
    with contextlib.suppress(OSError):  # a pipe, which was read
        text = content(file).decode("utf-8-sig")
    lines = scan(text)
    return [
        Mistake(
            str(file),
            f"can't be imported: {one.error}",
            line=lines.of("supervisor", "imports", imports.index(one.module)),
            key="supervisor.imports",
            found=f'"{one.module}"',
            traceback=one.traceback or None,
        )
        for one in broken
    ]


def _in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Give mistakes in the order of the file, in which its imports stand among the rest."""
    return sorted(mistakes, key=lambda mistake: mistake.line or 0)


def _tell_mistakes(error: ConfigError, as_json: bool) -> None:
    """Write every mistake to standard error: sentences for people, or one object."""
    if as_json:
        facts = {"kind": "ConfigError", "code": 2, "message": str(error), "try": ""}
        mistakes = [asdict(mistake) for mistake in error.details]
        told = {"schema": 1, "error": {**facts, "mistakes": mistakes}}
        print(json.dumps(told), file=sys.stderr)
        return
    for mistake in error.details:
        print(f"horus-supervisor: {output.clean(str(mistake))}", file=sys.stderr)
        for line in (mistake.traceback or "").splitlines():
            print(f"    {output.clean(line)}", file=sys.stderr)


# --- for people ------------------------------------------------------------------------------


def _show(found: Found) -> None:
    output.say(f"{found['config']}: no mistakes")
    output.fact("redis", f"{found['redis']['url']}, namespace {found['redis']['namespace']}")
    output.fact("imports", ", ".join(found["imports"]) or "nothing")
    output.fact("state_dir", found["state_dir"])
    _show_table(_GROUPS, (row for group in found["groups"] for row in _group(group)))
    for group in found["groups"]:
        if settings := _settings(group):
            output.fact(group["group"], settings)
    _show_table(_JOBS, map(_job, found["jobs"]))
    output.say()
    output.fact("waiting", _waiting(found["waiting"]))
    _show_table(_WAITING, (row for q in found["waiting"]["queues"] for row in _problems(q)))
    for note in found["notes"]:
        output.say(f"note: {note}")


def _show_table(columns: Iterable[Column], rows: Iterable[tuple[str, ...]]) -> None:
    """Write a table after an empty line; nothing where it has no rows."""
    if rows := list(rows):
        output.say()
        output.print_table(tuple(columns), rows)


def _group(group: Found) -> Iterable[tuple[str, ...]]:
    """Write a group in as many rows as its queues take."""
    weighted = len({one["weight"] for one in group["queues"]}) > 1
    queues = [
        f"{one['queue']}={one['weight']}" if weighted else one["queue"] for one in group["queues"]
    ]
    first, *more = textwrap.wrap(
        ", ".join(queues), _QUEUES_WIDE, break_on_hyphens=False, break_long_words=False
    )
    yield (
        group["group"],
        str(group["runners"]),
        first,
        group["order"] if len(queues) > 1 else "-",
        _duration(group["job_timeout_s"]),
        _recycle(group),
        str(group["max_crashes"]),
    )
    for line in more:
        yield ("", "", line, *([""] * (len(_GROUPS) - 3)))


def _recycle(group: Found) -> str:
    """Say after how many jobs, or how much memory, a runner gives way to a fresh one."""
    jobs, memory = group["max_jobs"], group["max_memory_bytes"]
    limits = [f"{jobs} jobs"] if jobs else []
    limits += [format_size(memory)] if memory else []
    return ", ".join(limits) or "never"


def _settings(group: Found) -> str:
    """Say what else the file gives a group, which mostly is nothing."""
    said = {name: group[name] for name in ("nice", "oom_score_adj", "open_files")}
    hard = group["hard_memory_bytes"]
    said["hard_memory"] = None if hard is None else format_size(hard)
    said["environment"] = ", ".join(group["environment"]) or None
    return ", ".join(f"{name} {value}" for name, value in said.items() if value is not None)


def _job(job: Found) -> tuple[str, ...]:
    timeout = "group's" if job["timeout_s"] is None else _duration(job["timeout_s"])
    return job["job"], job["queue"], timeout, str(job["max_attempts"])


def _duration(seconds: float | None) -> str:
    return "none" if seconds is None else format_duration(seconds)


def _waiting(waiting: Found) -> str:
    """Say how many jobs were looked at, and how many of them would not run."""
    if waiting["error"]:
        return f"not looked at: {waiting['error']}"
    jobs = sum(queue["ready"] + queue["scheduled"] for queue in waiting["queues"])
    seen = sum(queue["looked_at"] for queue in waiting["queues"])
    if not seen:
        return "no jobs"
    problems = (one for q in waiting["queues"] for one in (*q["unknown"], *q["undecodable"]))
    bad = sum(one["count"] for one in problems)
    fate = f"{bad} of them would not run:" if bad else "this code can run them"
    return f"{output.count(jobs, 'job')}, {seen} looked at: {fate}"


def _problems(queue: Found) -> Iterable[tuple[str, ...]]:
    for one in queue["unknown"]:
        yield queue["queue"], one["job"], str(one["count"]), "no class of that name"
    for one in queue["undecodable"]:  # the row names the class; the field needs the room
        why = one["error"].removeprefix(f"{short_name(one['job'])}: ValidationError: ")
        yield queue["queue"], one["job"], str(one["count"]), why
