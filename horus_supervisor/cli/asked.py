"""The options that all verbs share: where the jobs are, and whether answers are JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Asked:
    """The options that all verbs share, before or behind the verb. Owned by the main command."""

    config: str | None
    url: str | None
    namespace: str | None
    json: bool


def _ask(ctx: click.Context, param: click.Parameter, value: str | bool | None) -> None:
    if value not in (None, False) and param.name:
        ctx.find_root().params[param.name] = value  # what completing reads
        setattr(ctx.ensure_object(Asked), param.name, value)


def common_options(verb: F) -> F:
    """Give a verb the options that all verbs share, so that they may stand behind it too."""
    for *flags, kind in (("-c", "--config", click.Path()), ("--url", str), ("--namespace", str)):
        verb = click.option(*flags, type=kind, expose_value=False, callback=_ask, hidden=True)(verb)
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_ask,
        help="One JSON object on standard output; errors as an object on standard error.",
    )(verb)
