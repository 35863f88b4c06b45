"""What a shell offers behind Tab: queues and ids, where Redis tells them at once.

Never fails and never waits for long: where anything is wrong, nothing is offered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import click

from horus_supervisor.cli.asked import Asked
from horus_supervisor.cli.wiring import Store, locate
from horus_supervisor.store import operations

WITHIN_S = 0.2
"""Longer than this nobody waits behind a key: connecting and each answer take no more."""

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _offering(ask: Callable[[Store, str], set[str]]) -> Complete:
    """Make a completion of a question; ``ask`` tells what there is."""

    def complete(ctx: click.Context, _: click.Parameter, beginning: str) -> list[str]:
        found: set[str] = set()
        with contextlib.suppress(Exception), _store(ctx) as store:
            found = ask(store, beginning)
        return sorted(one for one in found if one.startswith(beginning))

    return complete


@contextlib.contextmanager
def _store(ctx: click.Context) -> Iterator[Store]:
    """Open the store that the words before the verb name; click has run no callback yet."""
    words = ctx.find_root().params
    asked = Asked(words.get("config"), words.get("url"), words.get("namespace"), False)
    with contextlib.closing(Store(locate(asked, whole=False), WITHIN_S)) as store:
        yield store


def _queues(store: Store, _: str) -> set[str]:
    groups = store.place.config.groups if store.place.config else ()
    found = {queue for group in groups for queue in group.queues}
    with contextlib.suppress(Exception):  # the file's are better than none
        overview = store.run(operations.overview(store.namespace))
        found.update(row.queue for row in overview.queues)
    return found


def _ids(store: Store, beginning: str) -> tuple[list[str], list[str]]:
    return store.run(operations.resolve(store.namespace, beginning))


def _held(store: Store, _: str) -> set[str]:
    return {*store.run(operations.overview(store.namespace)).held}


queues = _offering(_queues)
held = _offering(_held)
job_ids = _offering(lambda store, beginning: set(_ids(store, beginning)[0]))
crash_ids = _offering(lambda store, beginning: set(_ids(store, beginning)[1]))
