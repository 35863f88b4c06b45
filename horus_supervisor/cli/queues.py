"""``horus pause``, ``resume`` and ``purge``: an operator's word on a whole queue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from horus_supervisor.cli import completing, names, output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.errors import Exit, Failure, usage
from horus_supervisor.cli.job_rows import is_named, known_queues
from horus_supervisor.cli.output import count
from horus_supervisor.cli.wiring import Store, open_store
from horus_supervisor.store import operations

if TYPE_CHECKING:
    from horus_supervisor.store.overview import Overview, QueueRow

queue_argument = click.argument(
    "queue", metavar="Q", callback=names.queue, shell_complete=completing.queues
)


@click.command(epilog="Example: horus pause emails")
@queue_argument
@common_options
@click.pass_obj
def pause(asked: Asked, queue: str) -> None:
    """Let no job of a queue start until it is resumed. What runs goes on; enqueueing works."""
    with open_store(asked) as store:
        _see(store, queue)
        word = store.run(operations.pause(store.namespace, queue))
        was = " already" * (word == "paused")
        next_ = f"{store.place.again} resume {queue}"
        _tell(asked, queue, f"{queue} is paused{was}\nNext: {next_}")


@click.command(epilog="Examples: horus resume emails; horus resume --job shop.jobs.Render")
@click.argument(
    "queue",
    metavar="[Q]",
    required=False,
    callback=names.queue,
    shell_complete=completing.queues,
)
@click.option(
    "--job",
    metavar="JOB",
    shell_complete=completing.held,
    help="A job class that is held back, of this name or so ending: RenderPdf.",
)
@common_options
@click.pass_obj
def resume(asked: Asked, queue: str | None, job: str | None) -> None:
    """Let the jobs of a paused queue start again, or those of a class that is held back."""
    if (queue is None) == (job is None):
        raise usage("resume takes a queue, or --job JOB", "horus resume --help")
    with open_store(asked) as store:
        if queue is None:
            _resume_class(asked, store, str(job))
            return
        _see(store, queue)
        word = store.run(operations.resume(store.namespace, queue))
        _tell(asked, queue, f"{queue} {'runs again' if word == 'ok' else 'was not paused'}")


@click.command(epilog="Example: horus purge emails --dry-run")
@queue_argument
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@common_options
@click.pass_obj
def purge(asked: Asked, queue: str, yes: bool, dry_run: bool) -> None:
    """Discard the jobs of a queue that are ready or scheduled.

    What runs, what is dead and what was enqueued since we counted stays.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise usage("purge asks first, and here is no terminal to answer", "the same with --yes")
    with open_store(asked) as store:
        overview, row = _see(store, queue)
        ready, scheduled = (row.ready, row.scheduled) if row else (0, 0)
        what = f"{ready:,} ready and {count(scheduled, 'scheduled job')} of {queue}"
        if dry_run:
            _tell(asked, queue, f"would discard {what}", discarded=0, would=ready + scheduled)
            return
        if ready + scheduled and not yes and not click.confirm(f"Discard {what}?", err=True):
            raise Failure("nothing was discarded", Exit.FAILED)
        gone = _purge(store, queue, overview.now_ms)
        _tell(asked, queue, f"discarded {count(gone, 'job')} of {queue}", discarded=gone)


def _resume_class(asked: Asked, store: Store, wanted: str) -> None:
    held = sorted(store.run(operations.overview(store.namespace)).held)
    meant = [name for name in held if is_named(name, wanted)]
    name = meant[0] if len(meant) == 1 else wanted
    word, moved, more = store.run(operations.unhold(store.namespace, name))
    if word == "free":
        there = f" (held back: {', '.join(held)})" if held else ""
        text = f"no job class named {name} is held back{there}"
        raise Failure(text, Exit.NOT_FOUND, f"{store.place.again} status")
    while more:
        _, some, more = store.run(operations.unhold(store.namespace, name))
        moved += some
    text = f"{name} runs again; {count(moved, 'job')} had waited for that"
    if asked.json:
        output.print_json(done=[name], failed=[], resumed=moved)
    else:
        output.say(text)


def _purge(store: Store, queue: str, until_ms: int) -> int:
    """Discard piece by piece: no call holds Redis up for long."""
    gone, more = 0, True
    while more:
        some, more = store.run(operations.purge(store.namespace, queue, until_ms))
        gone += some
    return gone


def _see(store: Store, queue: str) -> tuple[Overview, QueueRow | None]:
    """Look at everything; fails where nobody knows this queue: Redis, the file, any service."""
    known, overview = known_queues(store)
    row = next((row for row in overview.queues if row.queue == queue), None)
    if row is None and queue not in known:
        import difflib

        near = difflib.get_close_matches(queue, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"{store.place.again} status"
        raise Failure(f"there is no queue {queue!r}", Exit.NOT_FOUND, hint)
    return overview, row


def _tell(asked: Asked, queue: str, text: str, **more: int) -> None:
    if asked.json:
        output.print_json(done=[] if "would" in more else [queue], failed=[], **more)
    else:
        output.say(text)
