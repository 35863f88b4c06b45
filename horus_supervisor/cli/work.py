"""``horus work``: one runner in this terminal."""

from __future__ import annotations

import click

from horus_supervisor.cli import output
from horus_supervisor.cli.classes import import_modules
from horus_supervisor.cli.errors import usage
from horus_supervisor.cli.wiring import Asked, Place, json_option, locate, open_client


@click.command()
@click.option("-q", "--queue", "queues", metavar="Q", multiple=True, help="Serve this; repeatable.")
@click.option("--import", "imports", metavar="M", multiple=True, help="Import this module first.")
@click.option("--until-empty", is_flag=True, help="Leave once the queues are empty.")
@json_option
@click.pass_obj
def work(
    asked: Asked, queues: tuple[str, ...], imports: tuple[str, ...], until_empty: bool
) -> None:
    """Run jobs in this terminal, without a supervisor, until Ctrl-C.

    Without -q: all queues of the file. Its modules are imported too.
    """
    from horus_supervisor.runner.foreground import start_runner

    place = locate(asked)
    wanted = _queues(place, queues)
    names = import_modules(place, imports)
    with open_client(place) as client:
        executed = start_runner(client, wanted, imports=names, until_empty=until_empty)
    if asked.json:
        output.print_json(work={"executed": executed})
    else:
        output.say(f"executed {executed} job{'s' * (executed != 1)}")


def _queues(place: Place, given: tuple[str, ...]) -> list[str]:
    from horus_supervisor.ids import valid_queue_name

    groups = place.config.groups if place.config else ()
    queues = list(dict.fromkeys(given or (queue for group in groups for queue in group.queues)))
    for queue in queues:
        if not valid_queue_name(queue):
            raise usage(f"-q {queue!r}: a queue's name is 1 to 64 of A-Z a-z 0-9 _ . -")
    if not queues:
        raise usage("which queues?", "horus work -q QUEUE")
    return queues
