"""``horus retry`` and ``horus discard``: an operator's word on jobs, one by one or many at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from horus_supervisor.cli import completing, ids, names, output, typed
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.errors import Exit, Failure, usage
from horus_supervisor.cli.job_rows import in_pieces, is_named, unknown_queue
from horus_supervisor.cli.output import count
from horus_supervisor.cli.times import duration
from horus_supervisor.cli.wiring import Store, open_store
from horus_supervisor.lifecycle import JobState
from horus_supervisor.store import operations
from horus_supervisor.store.operation import Operation

SHOWN = 20
"""Most jobs that a dry run names."""

NOT_KNOWN = "is not known (any more)"

WHY = {
    "ready": "is ready: it waits for a runner already",
    "running": "is running: no one can take it from its runner",
    "succeeded": "has succeeded",
    "discarded": "was discarded",
    "stale": "ran since you looked",
    "expired": "has expired: it would be discarded, not started",
    "unknown": NOT_KNOWN,
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was typed: ids, or which dead jobs."""

    job_ids: tuple[str, ...]
    all_: bool
    job: str | None
    queue: str | None
    since: float | None
    """Seconds."""

    def check(self, verb: str) -> None:
        """Refuse words that contradict each other, or choose nothing."""
        hint = f"horus {verb} --help"
        if self.job_ids and (self.all_ or self.job or self.queue or self.since is not None):
            raise usage("ids, or a choice of dead jobs by --all and --job: give one of them", hint)
        if self.all_ and self.job:
            raise usage("--all and --job: give one of them", hint)
        if not (self.job_ids or self.all_ or self.job):
            raise usage(f"{verb} what? Give ids, or --job JOB, or --all", hint)


@dataclass(frozen=True, slots=True)
class Target:
    """A job to act on, as it was when we looked.

    ``fence``: how often it had been started; None where its record can't be read. ``name``: its
    class's. ``late``: it is past its expiry.
    """

    job_id: str
    fence: int | None
    name: str
    late: bool
    state: JobState = JobState.DEAD


@dataclass(frozen=True, slots=True)
class Act:
    """What is done: in words, as a call, and to jobs of which states."""

    verb: str
    past: str
    call: Callable[[str, str, int | None], Operation[str]]
    takes: tuple[JobState, ...]
    good: tuple[str, ...] = ("ok",)


RETRY = Act("retry", "retried", operations.retry, (JobState.DEAD, JobState.SCHEDULED))
DISCARD = Act(
    "discard",
    "discarded",
    operations.discard,
    (JobState.DEAD, JobState.SCHEDULED, JobState.READY, JobState.DISCARDED),
    ("ok", "discarded"),
)


def _choice(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options that choose jobs."""
    options = (
        click.argument("job_ids", metavar="[ID]...", nargs=-1, shell_complete=completing.job_ids),
        click.option("--all", "all_", is_flag=True, help="All dead jobs."),
        click.option(
            "--job", metavar="JOB", help="Dead jobs of this name, or so ending: RenderPdf."
        ),
        names.queue_option(help="With --all or --job: only of this queue."),
        click.option(
            "--since", metavar="D", callback=duration, help="... that died in the last 10m."
        ),
        click.option("--dry-run", is_flag=True, help="Only say what would be done."),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


@click.command(epilog="Example: horus retry --job RenderPdf --since 1h --dry-run")
@_choice
@common_options
@click.pass_obj
def retry(asked: Asked, /, dry_run: bool, **choice: Any) -> int:
    """Give dead jobs a new life, from the first attempt on; a scheduled one runs now."""
    chosen = Chosen(**choice)
    chosen.check("retry")
    return _carry_out(asked, RETRY, chosen, dry_run=dry_run, ask=False)


@click.command(epilog="Example: horus discard --all --queue reports")
@_choice
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@common_options
@click.pass_obj
def discard(asked: Asked, /, dry_run: bool, yes: bool, **choice: Any) -> int:
    """Give jobs up for good: dead ones, and by their ids scheduled and ready ones too."""
    chosen = Chosen(**choice)
    chosen.check("discard")
    if not (yes or dry_run or sys.stdin.isatty()):
        raise usage("discard asks first, and here is no terminal to answer", "the same with --yes")
    return _carry_out(asked, DISCARD, chosen, dry_run=dry_run, ask=not yes)


def _carry_out(asked: Asked, act: Act, chosen: Chosen, *, dry_run: bool, ask: bool) -> int:
    """Find the jobs, and do with them what was asked; the exit status."""
    with open_store(asked) as store:
        targets, failed = _targets(store, chosen)
        if not (targets or failed or asked.json):
            return _nothing(store, chosen)
        if dry_run:
            return _foretell(asked, act, targets, failed)
        if ask and targets and not _sure(act, targets):
            raise Failure(f"nothing was {act.past}", Exit.FAILED)
        return _act(store, asked, act, targets, failed)


def _sure(act: Act, targets: list[Target]) -> bool:
    """Ask. A few are named in full: what was typed may be the beginning of another's id."""
    few = len(targets) <= 3
    which = ", ".join(t.job_id for t in targets) if few else count(len(targets), "job")
    return click.confirm(f"{act.verb.capitalize()} {output.clean(which)} for good?", err=True)


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
            job = found.job
            late = job is not None and job.expires_ms > 0 and job.is_late(store.now_s() * 1000)
            fence, name = (job.fence, job.name) if job else (None, "")
            targets[found.job_id] = Target(found.job_id, fence, name, late, found.state)
    return list(targets.values()), failed


def _dead(store: Store, chosen: Chosen) -> list[Target]:
    """Choose among the dead, queue by queue."""
    overview = store.run(operations.overview(store.namespace))
    since_ms = None if chosen.since is None else overview.now_ms - chosen.since * 1000
    return [
        Target(item.job_id, item.job.fence, item.job.name, item.job.is_late(overview.now_ms))
        for row in overview.queues
        if row.dead and chosen.queue in (None, row.queue)
        for item in in_pieces(store, JobState.DEAD, row.queue, row.dead)
        if since_ms is None or (item.since_ms or 0) >= since_ms
        if chosen.job is None or is_named(item.job.name, chosen.job)
    ]


def _nothing(store: Store, chosen: Chosen) -> int:
    """Say that no job was chosen, and what may have been typed wrongly; a status of success."""
    unknown = unknown_queue(store, chosen.queue)
    output.say(f"no such dead jobs{unknown}")
    if chosen.job and not unknown:
        output.say(f"Next: {store.place.again} dead")
    return 0


def _foretell(asked: Asked, act: Act, targets: list[Target], failed: Failed) -> int:
    """Say what would be done, and what would not; a status of success."""
    whys = [(target.job_id, _why_not(act, target)) for target in targets]
    would = [job_id for job_id, why in whys if not why]
    failed += [{"job_id": job_id, "why": why} for job_id, why in whys if why]
    if asked.json:
        output.print_json(done=[], would=would, failed=failed)
        return 0
    output.say(f"would {act.verb} {count(len(would), 'job')}")
    for job_id in would[:SHOWN]:
        output.say(f"  {job_id}")
    if len(would) > SHOWN:
        output.say(f"  and {len(would) - SHOWN:,} more: --json has all")
    _tell_failed(asked, failed)
    return 0


def _why_not(act: Act, target: Target) -> str:
    if target.state not in act.takes:
        return WHY.get(target.state, target.state)
    return WHY["expired"] if act is RETRY and target.late else ""


def _act(store: Store, asked: Asked, act: Act, targets: list[Target], failed: Failed) -> int:
    """Carry the word out and tell how it went; the exit status."""
    calls = [act.call(store.namespace, target.job_id, target.fence) for target in targets]
    words = store.run_many(calls)
    done = [t.job_id for t, word in zip(targets, words, strict=True) if word in act.good]
    failed += [
        {"job_id": t.job_id, "why": WHY.get(word, word)}
        for t, word in zip(targets, words, strict=True)
        if word not in act.good
    ]
    if asked.json:
        output.print_json(done=done, failed=failed)
    else:
        output.say(f"{act.past} {count(len(done), 'job')}")
        _tell_failed(asked, failed)
        if act is RETRY:
            _tell_held(store, {target.name for target in targets})
    if not failed:
        return 0
    missing = all(row["why"] == NOT_KNOWN for row in failed)
    return Exit.NOT_FOUND if missing else Exit.FAILED


def _tell_failed(asked: Asked, failed: Failed) -> None:
    again = typed.again(asked)
    tries = {WHY["running"]: "the same once it has ended", NOT_KNOWN: f"{again} jobs"}
    tries[WHY["expired"]] = f"{again} enqueue, with the arguments that {again} show tells"
    for row in failed:
        output.note(f"{row['job_id']} {row['why']}", tries.get(row["why"], ""))


def _tell_held(store: Store, names: set[str]) -> None:
    """Say of which classes no job starts, one that is retried neither."""
    held = store.run(operations.overview(store.namespace)).held
    for name in map(output.clean, sorted(names & held.keys())):
        hint = f"{store.place.again} resume --job {name}"
        output.note(f"{name} is held back: none of its jobs starts", hint)
