"""``horus retry`` and ``horus discard``: an operator's word on jobs, one by one or many at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from horus_supervisor.cli import ids, names, output
from horus_supervisor.cli.errors import Exit, Failure, usage
from horus_supervisor.cli.times import duration
from horus_supervisor.cli.wiring import Asked, Store, json_option, open_store
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation

NOT_KNOWN = "is not known (any more)"

WHY = {
    "ready": "is ready: it waits for a runner already",
    "running": "is running: no one can take it from its runner",
    "succeeded": "has succeeded",
    "discarded": "was discarded",
    "stale": "ran since you looked",
    "unknown": NOT_KNOWN,
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was typed: ids, or which dead jobs."""

    job_ids: tuple[str, ...]
    all: bool
    job: str | None
    queue: str | None
    since_s: float | None

    def check(self, verb: str) -> None:
        """Refuse words that contradict each other, or choose nothing."""
        hint = f"horus {verb} --help"
        if self.job_ids and (self.all or self.job or self.queue or self.since_s is not None):
            raise usage("ids, or a choice of dead jobs by --all and --job: give one of them", hint)
        if self.all and self.job:
            raise usage("--all and --job: give one of them", hint)
        if not (self.job_ids or self.all or self.job):
            raise usage(f"{verb} what? Give ids, or --job JOB, or --all", hint)


@dataclass(frozen=True, slots=True)
class Target:
    """A job to act on, as it was when we looked.

    ``fence``: how often it had been started; None where its record can't be read.
    """

    job_id: str
    fence: int | None


def _choice(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options that choose jobs."""
    options = (
        click.argument("job_ids", metavar="[ID]...", nargs=-1),
        click.option("--all", "all_", is_flag=True, help="All dead jobs."),
        click.option(
            "--job", metavar="JOB", help="Dead jobs of this name, or so ending: RenderPdf."
        ),
        click.option(
            "--queue",
            metavar="Q",
            callback=names.queue,
            help="With --all or --job: only of this queue.",
        ),
        click.option(
            "--since", metavar="D", callback=duration, help="... that died in the last 10m."
        ),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


@click.command()
@_choice
@json_option
@click.pass_obj
def retry(
    asked: Asked,
    job_ids: tuple[str, ...],
    all_: bool,
    job: str | None,
    queue: str | None,
    since: float | None,
) -> int:
    """Give dead jobs a new life, from the first attempt on; a scheduled one runs now."""
    chosen = Chosen(job_ids, all_, job, queue, since)
    chosen.check("retry")
    with open_store(asked) as store:
        targets, failed = _targets(store, chosen)
        calls = [operations.retry(store.namespace, t.job_id, t.fence) for t in targets]
        return _act(store, asked, "retried", targets, calls, failed)


@click.command()
@_choice
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@json_option
@click.pass_obj
def discard(
    asked: Asked,
    job_ids: tuple[str, ...],
    all_: bool,
    job: str | None,
    queue: str | None,
    since: float | None,
    yes: bool,
) -> int:
    """Give jobs up for good: dead ones, and by their ids scheduled and ready ones too."""
    chosen = Chosen(job_ids, all_, job, queue, since)
    chosen.check("discard")
    if not yes and not sys.stdin.isatty():
        raise usage("discard asks first, and here is no terminal to answer", "the same with --yes")
    with open_store(asked) as store:
        targets, failed = _targets(store, chosen)
        if targets and not yes and not _sure(len(targets)):
            raise Failure("nothing was discarded", Exit.FAILED)
        calls = [operations.discard(store.namespace, t.job_id, t.fence) for t in targets]
        return _act(store, asked, "discarded", targets, calls, failed)


def _sure(count: int) -> bool:
    return click.confirm(f"Discard {count} job{'s' * (count != 1)} for good?", err=True)


Failed = list[dict[str, str]]


def _targets(store: Store, chosen: Chosen) -> tuple[list[Target], Failed]:
    """Find the jobs that were chosen, and those ids that lead to none."""
    if not chosen.job_ids:
        return _dead(store, chosen), []
    targets: dict[str, Target] = {}
    failed: Failed = []
    for beginning in chosen.job_ids:
        try:
            found = ids.find_job(store, beginning)
        except Failure as failure:
            if failure.code != Exit.NOT_FOUND:
                raise
            failed.append({"job_id": beginning, "why": NOT_KNOWN})
        else:
            fence = found.job.fence if found.job else None
            targets[found.job_id] = Target(found.job_id, fence)
    return list(targets.values()), failed


def _dead(store: Store, chosen: Chosen) -> list[Target]:
    """Choose among the dead, queue by queue."""
    overview = store.run(operations.overview(store.namespace))
    since_ms = None if chosen.since_s is None else overview.now_ms - chosen.since_s * 1000
    calls = [
        operations.list_jobs(store.namespace, JobState.DEAD, row.queue, row.dead)
        for row in overview.queues
        if row.dead and chosen.queue in (None, row.queue)
    ]
    return [
        Target(item.job_id, item.job.fence)
        for reply in store.run_many(calls)
        for item in reply
        if since_ms is None or (item.since_ms or 0) >= since_ms
        if chosen.job is None or _is_named(item.job.name, chosen.job)
    ]


def _is_named(name: str, wanted: str) -> bool:
    return name == wanted or name.endswith(f".{wanted}")


def _act(
    store: Store,
    asked: Asked,
    past: str,
    targets: list[Target],
    calls: list[Operation[str]],
    failed: Failed,
) -> int:
    """Carry the word out and tell how it went; the exit status."""
    words = store.run_many(calls)
    good = ("ok",) if past == "retried" else ("ok", "discarded")
    done = [t.job_id for t, word in zip(targets, words, strict=True) if word in good]
    failed += [
        {"job_id": t.job_id, "why": WHY.get(word, word)}
        for t, word in zip(targets, words, strict=True)
        if word not in good
    ]
    if asked.json:
        output.print_json(done=done, failed=failed)
    else:
        output.say(f"{past} {len(done)} job{'s' * (len(done) != 1)}")
        for row in failed:
            output.note(f"{row['job_id']} {row['why']}")
    if not failed:
        return 0
    missing = all(row["why"] == NOT_KNOWN for row in failed)
    return Exit.NOT_FOUND if missing else Exit.FAILED
