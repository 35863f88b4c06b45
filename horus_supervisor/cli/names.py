"""What several verbs take, checked as typed: queues, tags, numbers of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from horus_supervisor.cli import completing
from horus_supervisor.cli.errors import usage
from horus_supervisor.ids import QUEUE_NAMES, TAGS, valid_queue_name, valid_tag


class Count(click.IntRange):
    """A number of rows, for click: one that Redis can count to."""

    name = "whole number"

    def __init__(self) -> None:
        super().__init__(1, 1_000_000)


Typed = str | tuple[str, ...] | None


def _checked(
    valid: Callable[[object], bool], allowed: str
) -> Callable[[click.Context, click.Parameter, Typed], Typed]:
    """Make a callback of click's that refuses other words, for one and for several."""

    def check(_: click.Context, option: click.Parameter, value: Typed) -> Typed:
        for name in (value,) if isinstance(value, str) else value or ():
            if not valid(name):
                raise usage(f"{option.opts[-1]} {name!r}: {allowed}")
        return value

    return check


queue = _checked(valid_queue_name, f"a queue's name is {QUEUE_NAMES}")
tag = _checked(valid_tag, f"a tag is {TAGS}")


def queue_option(*name: str, help: str, multiple: bool = False) -> Callable[[Any], Any]:
    """Make the option that names a queue; ``name``: of its parameter, where that is another."""
    return click.option(
        "-q",
        "--queue",
        *name,
        metavar="Q",
        multiple=multiple,
        callback=queue,
        shell_complete=completing.queues,
        help=help,
    )
