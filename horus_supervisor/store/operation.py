"""One call to Redis as data: which script, its arguments, how to read the reply.

Does no I/O and knows no driver. Scripts are files in ``scripts/``; a line ``-- include: piece``
is replaced by ``scripts/pieces/piece.lua``, one level deep, so that what Redis runs can be read
by putting the files side by side.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from horus_supervisor.ids import sha1_hex

T = TypeVar("T")

Reply = Any
"""What RESP2 brings: bytes, int, None, or a list of these. ``Operation.parse`` types it."""

SCRIPTS = Path(__file__).parent / "scripts"

_UNFIT = (ValueError, TypeError, LookupError, AttributeError, msgspec.MsgspecError)
"""What reading a reply raises that is another's."""

_INCLUDE = re.compile(r"^-- include: (\S+)$", re.MULTILINE)


class Script(msgspec.Struct, frozen=True):
    """A Lua script. ``sha`` is what EVALSHA names it by: the SHA-1 of ``source``, 40 hex digits."""

    name: str
    source: str
    sha: str

    @classmethod
    def of(cls, name: str, source: str) -> Script:
        """Make a script of a source text whose includes are resolved."""
        return cls(name, source, sha1_hex(source.encode()))


@functools.cache
def load_script(name: str) -> Script:
    """Load ``scripts/{name}.lua`` with its pieces; read once in a process.

    Raises: ``FileNotFoundError`` for an unknown script or piece, ``ValueError`` where a piece
    includes another one.
    """
    return Script.of(name, resolve_includes((SCRIPTS / f"{name}.lua").read_text(), SCRIPTS))


def resolve_includes(source: str, folder: Path) -> str:
    """Replace each include line of ``source`` by the piece that it names, of ``folder/pieces``."""
    return _INCLUDE.sub(lambda found: _piece(folder / "pieces" / f"{found[1]}.lua"), source)


def _piece(path: Path) -> str:
    text = path.read_text().rstrip("\n")
    if _INCLUDE.search(text):
        raise ValueError(f"{path.name} includes another piece: pieces are one level deep")
    return text


class Operation(NamedTuple, Generic[T]):
    """One script call: what to send, how to read the reply. No I/O.

    ``prefix`` becomes KEYS[1], ``args`` become ARGV; ``series`` is the one that it was made by.
    """

    script: Script
    prefix: str
    args: tuple[str | bytes | int, ...]
    parse: Callable[[Reply], T]
    series: Series[T] | None = None

    def read(self, reply: Reply) -> T:
        """Read the reply. Raises ``OSError`` for one that this script doesn't give.

        It is to another's words: a job's, that wrote where its runner reads; or of another server.
        """
        try:
            if type(reply) is list:
                return self.parse(reply)
        except _UNFIT:
            pass
        raise OSError("protocol error: no script answers so")  # as hiredis begins it


class Series(Generic[T]):
    """Calls that are alike but for one number, so that a driver can encode the rest once."""

    __slots__ = ("_example", "after", "before")

    def __init__(self, example: Operation[T], at: int) -> None:
        self._example = example
        self.before = example.args[:at]
        self.after = example.args[at + 1 :]

    def call(self, number: int) -> Operation[T]:
        """Make the call with this number."""
        script, prefix, _, parse, _ = self._example
        args = (*self.before, number, *self.after)
        return Operation(script, prefix, args, parse, self)
