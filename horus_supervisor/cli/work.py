"""``horus work``: one runner in this terminal."""

from __future__ import annotations

import contextlib
import faulthandler

import click

from horus_supervisor.cli import names, output
from horus_supervisor.cli.asked import Asked, common_options
from horus_supervisor.cli.classes import import_modules
from horus_supervisor.cli.errors import usage
from horus_supervisor.cli.place import Place
from horus_supervisor.cli.wiring import Store, errors_in_words, locate
from horus_supervisor.job import definition
from horus_supervisor.store import operations


@click.command(epilog="Example: horus work -q emails --until-empty")
@names.queue_option("queues", help="Serve this; repeatable.", multiple=True)
@click.option("--import", "imports", metavar="M", multiple=True, help="Import this module first.")
@click.option("--until-empty", is_flag=True, help="Leave once the queues are empty.")
@common_options
@click.pass_obj
def work(
    asked: Asked, queues: tuple[str, ...], imports: tuple[str, ...], until_empty: bool
) -> None:
    """Run jobs in this terminal, without a supervisor, until Ctrl-C.

    Without -q: all queues of the file. Its modules are imported too, and its limits, weights, order
    and environment hold: those of the group that serves these queues, else [defaults]. So does
    [log]. No job is killed, though: kill_after, max_jobs and max_memory are for the service. The
    terminal is the job's, so breakpoint() works, and a job in which a debugger stands has no
    timeout.
    """
    place = locate(asked)
    wanted = _queues(place, queues)
    import_modules(place, imports)
    if not definition.registry():
        words = " ".join(f"-q {queue}" for queue in wanted)
        remedy = f"{place.again} work {words} --import MODULE"
        raise usage("no job class is imported, so no job could be run", remedy)
    from horus_supervisor.runner.foreground import serve
    from horus_supervisor.runner.settings import set_variables

    if not asked.json:
        _tell_paused(place, wanted)
    faulthandler.enable(2)  # no supervisor is there to tell where we died
    if place.config:
        set_variables(place.config.limits_for(wanted).environment)
    with errors_in_words(place), output.kept_clear(asked.json):
        executed = serve(
            place.address,
            place.namespace,
            wanted,
            until_empty=until_empty,
            max_payload_bytes=place.max_payload_bytes,
            config=place.config,
        )
    if asked.json:
        output.print_json(work={"executed": executed})
    else:
        output.say(f"executed {output.count(executed, 'job')}")


def _tell_paused(place: Place, queues: list[str]) -> None:
    """Say why nothing will come of a queue."""
    with contextlib.closing(Store(place)) as store:
        overview = store.run(operations.overview(store.namespace))
    for row in overview.queues:
        if row.paused and row.queue in queues:
            what = f"{row.queue} is paused, and {output.jobs_wait(row.ready)}"
            output.note(what, f"{place.again} resume {row.queue}")


def _queues(place: Place, given: tuple[str, ...]) -> list[str]:
    groups = place.config.groups if place.config else ()
    queues = list(dict.fromkeys(given or (queue for group in groups for queue in group.queues)))
    if not queues:
        raise usage("which queues?", f"{place.again} work -q QUEUE")
    return queues
