"""``horus run``: one dead job, alone in this terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from horus_supervisor import stacks
from horus_supervisor.cli import completing, ids, output
from horus_supervisor.cli.acts import DISCARD, RETRY, WHY
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.errors import Exit, Failure, usage
from horus_supervisor.cli.place import Place
from horus_supervisor.cli.times import age
from horus_supervisor.cli.wiring import Store, open_store
from horus_supervisor.lifecycle import JobState

if TYPE_CHECKING:
    from horus_supervisor.job.definition import Job
    from horus_supervisor.runner.alone import Ended
    from horus_supervisor.store.rows import Found

EPILOG = """Examples:

\b
  horus run 01a03189-8c
  python -m pdb -m horus_supervisor.cli.main run 01a03189-8c
"""


@click.command(epilog=EPILOG)
@click.argument("job_id", metavar="ID", shell_complete=completing.job_ids)
@click.option("--import", "imports", metavar="M", multiple=True, help="Import this module first.")
@common_options
@click.pass_obj
def run(asked: Asked, job_id: str, imports: tuple[str, ...]) -> int:
    """Run a dead job alone in this terminal, to see what is wrong with it.

    Its record stays as it is, whatever happens; on a terminal you may retry or discard the job
    afterwards. It runs in a forked process, so one that crashes can't hurt; breakpoint() works, and
    so does a debugger that follows forks. No timeout holds. Exit status: 0 where it succeeded or
    discarded itself, else 1.
    """
    with open_store(asked, whole=True) as store:
        found = ids.find_job(store, job_id)
        name = _runnable(store, found)
        store.close()  # the job may take long; the next call opens it again
        ended = _execute(store.place, found, name, imports, quiet=asked.json)
        if asked.json:
            output.print_json(run=_row(found, ended))
        else:
            _tell(ended)
            if sys.stdin.isatty() and sys.stdout.isatty():
                _offer(store, found)
    return 0 if ended.outcome in ("succeeded", "discarded") else Exit.FAILED


def _runnable(store: Store, found: Found) -> str:
    """Give the job's name; fails for one that a runner may take, or that is no more."""
    if found.state is JobState.DEAD and found.job:
        return found.job.name
    why = WHY.get(found.state, f"is {found.state}: its time will come")
    hint = f"{store.place.again} show {found.job_id}"
    raise Failure(f"{found.job_id} {why}; only a dead job is run alone", Exit.FAILED, hint)


def _execute(
    place: Place, found: Found, name: str, imports: tuple[str, ...], *, quiet: bool
) -> Ended:
    from horus_supervisor.runner import alone

    cls = _class(place, name, imports)
    return alone.execute(found, cls, place.max_payload_bytes, quiet=quiet)


def _class(place: Place, name: str, imports: tuple[str, ...]) -> type[Job]:
    from horus_supervisor.cli.classes import find_class, import_modules

    import_modules(place, imports)
    cls = find_class(place, name)
    if cls is None:
        where = place.config.file.name if place.config else "the module of its name"
        raise usage(
            f"no job class {name!r} is in what {where} imports", "the same with --import MODULE"
        )
    return cls


def _row(found: Found, ended: Ended) -> dict[str, Any]:
    names = ("error_type", "error_message", "traceback")
    return {
        "job_id": found.job_id,
        "job": found.job.name if found.job else None,
        "outcome": ended.outcome,
        "duration_s": round(ended.duration_s, 3),
        "signal": ended.signal,
        "exit_code": ended.exit_code,
        **{name: ended.error.get(name) for name in names},
    }


def _tell(ended: Ended) -> None:
    took = f"after {age(ended.duration_s)}"
    match ended.outcome:
        case "crashed":
            how = ended.signal or f"exit {ended.exit_code}"
            text = f"CRASHED  {how} {took}"
        case "succeeded":
            text = f"SUCCEEDED  {took}"
        case word:
            output.say(stacks.of_job(output.clean(ended.error["traceback"])).rstrip())
            text = f"{word.upper()}  {took}"
    good = ended.outcome in ("succeeded", "discarded")
    output.say(output.paint(text, "green" if good else "red"))


def _offer(store: Store, found: Found) -> None:
    """Ask what shall become of the dead job, which did not change so far."""
    answer = click.prompt(
        "The job is dead still: [r]etry or [d]iscard it, or leave it?",
        type=click.Choice(["r", "retry", "d", "discard", "leave"]),
        default="leave",
        show_choices=False,
        err=True,
    )
    if answer == "leave":
        return
    fence = found.job.fence if found.job else None
    act = RETRY if answer.startswith("r") else DISCARD
    word = store.run(act.call(store.namespace, found.job_id, fence))
    if word != "ok":
        raise Failure(f"{found.job_id} {WHY.get(word, word)}", Exit.FAILED)
    output.say(act.past)
