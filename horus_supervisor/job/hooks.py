"""What job modules want done in a runner before its first job and after its last one.

For what a fork can't hand down: connection pools, exporters and their threads. Kept in the order of
definition; the stops run backwards, so that what was opened first is closed last.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from horus_supervisor.errors import JobDefinitionError

Hook = TypeVar("Hook", bound=Callable[[], object])

_starts: list[Callable[[], object]] = []
_stops: list[Callable[[], object]] = []


def on_runner_start(hook: Hook) -> Hook:
    """Have a function called in each runner before its first job, after the fork.

    ::

        @on_runner_start
        def open_pool() -> None: ...

    Whatever it raises ends the runner with exit status 1, which is a crash like any other. What it
    sets (folder, environment, signal handlers) is what each job finds. No timeout limits it.
    """
    return _register(_starts, hook)


def on_runner_stop(hook: Hook) -> Hook:
    """Have a function called in each runner after its last job, the last defined first.

    Not in one that dies. A runner that leaves since the service stops has until
    ``shutdown_timeout`` and ``kill_after`` are over. What it raises is told, and changes nothing.
    """
    return _register(_stops, hook)


def start() -> None:
    """Run the starts. For runners."""
    for hook in _starts:
        hook()


def stop() -> None:
    """Run the stops, after a runner that ended well."""
    for hook in reversed(_stops):
        try:
            hook()
        except BaseException:
            traceback.print_exc()


@contextmanager
def opened() -> Iterator[None]:
    """Run the starts, the block, and, where it ended well, the stops."""
    start()
    yield
    stop()


def _register(hooks: list[Callable[[], object]], hook: Hook) -> Hook:
    name = getattr(hook, "__qualname__", repr(hook))
    if inspect.iscoroutinefunction(hook):
        raise JobDefinitionError(
            f"the hook {name} is async, and nobody would await it: "
            "write a plain one that calls asyncio.run()"
        )
    if not _callable_so(hook):
        raise JobDefinitionError(
            f"the hook {name} can't be called: a hook is a def without arguments"
        )
    hooks.append(hook)
    return hook


def _callable_so(hook: object) -> bool:
    """Tell whether something can be called without arguments; what has no signature may be."""
    try:
        inspect.signature(hook).bind()  # type: ignore[arg-type]  # told by a TypeError
    except TypeError:
        return False
    except ValueError:
        return callable(hook)
    return True
