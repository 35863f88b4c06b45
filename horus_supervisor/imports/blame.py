"""What an import raised, in words: the reason and its place in job code, then its own frames.

The same for the service's log and for ``--check``. Never raises, whatever was raised.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from horus_supervisor.errors import HorusError

_MOST_FRAMES = 20
_MOST_LETTERS = 2000

_US = Path(__file__).resolve().parents[1]
_MACHINERY = ("<frozen ", "<string>", f"{_US}{os.sep}", importlib.__file__)
"""Where frames come from that say nothing of the job module."""

_INSTALLED = f"{os.sep}site-packages{os.sep}"

Place = tuple[str, int | None]


def in_words(error: BaseException, path: Sequence[str]) -> tuple[str, str]:
    """Tell the reason, and the frames that are neither ours nor the import system's.

    ``path``: the folders of ``supervisor.path``. The place is the last one below them: where a
    library raised, the author looks at the line of his that called it. What UTF-8 can't say, a
    file's name say, is written out: both travel.
    """
    reason, stack = _words(error, path)
    return _writable(reason), _writable(stack)


def _words(error: BaseException, path: Sequence[str]) -> tuple[str, str]:
    told = traceback.TracebackException.from_exception(error)
    whole = "".join(told.format())
    for link in _chain(told):
        frames = [frame for frame in link.stack if not frame.filename.startswith(_MACHINERY)]
        link.stack = traceback.StackSummary.from_list(frames[-_MOST_FRAMES:])
    reason = _reason(told)
    if isinstance(error, SyntaxError) and error.filename:
        return reason + _shown((error.filename, error.lineno), path), "".join(told.format())
    if told.stack:
        places = [(frame.filename, frame.lineno) for frame in told.stack]
        return reason + _shown(_own(places, path), path), "".join(told.format())
    if isinstance(error, ModuleNotFoundError):  # the very module that was asked for
        return f"{reason}; looked in {_looked_in(path)}", ""
    return reason, "" if isinstance(error, HorusError) else whole


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _reason(told: traceback.TracebackException) -> str:
    """Tell type and message, which a syntax error's lines stand before, and notes behind."""
    lines = list(told.format_exception_only())
    first = next((line for line in lines if not line.startswith(" ")), lines[0])
    return first.strip().removeprefix(f"{HorusError.__module__}.")[:_MOST_LETTERS]


def _own(places: Sequence[Place], path: Sequence[str]) -> Place:
    """Pick the last place in the author's folders, else the last one."""
    own = [at for at in places if _INSTALLED not in at[0] and _home(at[0], path)]
    return (own or places)[-1]


def _home(file: str, path: Sequence[str]) -> str | None:
    """Tell the folder of ``path`` below which a file lies."""
    return next((folder for folder in path if file.startswith(folder.rstrip("/") + "/")), None)


def _shown(place: Place, path: Sequence[str]) -> str:
    file, line = place
    folder = _home(file, path)
    return f" ({os.path.relpath(file, folder) if folder else file}:{line})"


def _looked_in(path: Sequence[str]) -> str:
    folders = f"{', '.join(path)} (supervisor.path) and in " if path else ""
    return f"{folders}what {sys.executable} has installed"


def _chain(
    told: traceback.TracebackException | None,
) -> Iterator[traceback.TracebackException]:
    while told is not None:
        yield told
        told = told.__cause__ or told.__context__
