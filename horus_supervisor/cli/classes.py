"""Job classes as the service knows them: imported from the modules that its file names."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING

from horus_supervisor.cli.errors import Failure, usage
from horus_supervisor.job import definition

if TYPE_CHECKING:
    from horus_supervisor.cli.place import Place
    from horus_supervisor.job.definition import Job


def import_modules(place: Place, more: Iterable[str] = ()) -> list[str]:
    """Import the modules of the file's ``[supervisor] imports`` and ``more``; tells their names.

    What they print goes to standard error: standard output is for data. Fails where one can't be
    imported, whatever it raises.
    """
    supervisor = place.config.supervisor if place.config else None
    more = list(more)
    paths = [str(path) for path in supervisor.path] if supervisor else []
    paths += [os.getcwd()] if more else []
    sys.path[:0] = [path for path in paths if path not in sys.path]
    ours = supervisor.imports if supervisor else ()
    names = list(dict.fromkeys([*ours, *more]))
    for name in names:
        # Python alone looks in the working folder, not where the file says
        _import(name, f"{place.start} --check" if name in ours else f"python -c 'import {name}'")
    return names


def _import(name: str, hint: str) -> None:
    with contextlib.redirect_stdout(sys.stderr):
        try:
            importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a module may even call sys.exit
            last = traceback.format_exception_only(error)[-1].strip()
            raise usage(f"can't import {name}: {last}", hint) from error


def find_class(place: Place, name: str) -> type[Job] | None:
    """Find a job class: among the file's imports; without a file, in the module of its name.

    Fails where a module of the file can't be imported.
    """
    import_modules(place)
    if place.config is None:
        _import_its_module(place, name)
    return definition.find(name)


def _import_its_module(place: Place, name: str) -> None:
    module = name.rpartition(".")[0]
    while module and definition.find(name) is None:
        with contextlib.suppress(Failure):
            import_modules(place, [module])
        module = module.rpartition(".")[0]


def so_ending(name: str) -> list[str]:
    """Find the job classes whose name ends so: what a person means who leaves the module away."""
    return [other for other in definition.registry() if other.endswith(f".{name}")]


def not_found(place: Place, name: str) -> Failure:
    """Make the failure for a class that isn't there, with the nearest that is."""
    near = so_ending(name) or difflib.get_close_matches(name, definition.registry(), 1)
    hint = f"{place.again} enqueue {near[0]}" if near else "name its queue too: --queue Q"
    if place.config is None:
        return usage(f"a job class {name!r} can't be imported from here", hint)
    return usage(f"there is no job class {name!r} in what {place.config.file.name} imports", hint)
