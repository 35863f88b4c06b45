"""A call that could not be handed in, kept in a file until Redis is back.

Every call may be repeated, so whoever finds the file makes the call and removes it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from horus_supervisor.store.operation import Operation, load_script
from horus_supervisor.store.rows import Slot

SCRATCH = ".new"
"""The end of a file's name as long as it is written; one that stays so was cut by a kill."""


class PendingCall(msgspec.Struct, frozen=True):
    """An operation at rest. Texts stay texts; arguments numbered in ``raw`` are bytes, as hex."""

    script: str
    prefix: str
    args: list[str]
    raw: list[int]


def file_name(slot: Slot) -> str:
    """Name the file in which a life in a slot leaves the call that it could not make."""
    return f"{slot.supervisor}.{slot.number}.{slot.incarnation}.call"


def save(operation: Operation[Any], path: Path) -> None:
    """Write a call to disk, whole or not at all; it outlives this machine's power."""
    texts, raw = [], []
    for at, value in enumerate(operation.args):
        if isinstance(value, bytes):
            raw.append(at)
            texts.append(value.hex())
        else:
            texts.append(str(value))
    call = PendingCall(operation.script.name, operation.prefix, texts, raw)
    write_durably(path, msgspec.json.encode(call))


def load(path: Path) -> Operation[Any]:
    """Read a call back. Raises ``ValueError`` where the file is no call that we know."""
    call = msgspec.json.decode(path.read_bytes(), type=PendingCall)
    args = [bytes.fromhex(v) if at in call.raw else v for at, v in enumerate(call.args)]
    try:
        script = load_script(call.script)
    except OSError as error:
        raise ValueError(f"there is no script {call.script!r}") from error
    return Operation(script, call.prefix, tuple(args), lambda reply: reply)


def make_spool(folder: Path) -> None:
    """Make the folder of such files, closed to other users. Raises ``OSError``."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def only_ours(path: str, flags: int) -> int:
    """Open a file as ``open`` does, one that is new closed to other users: it holds job data."""
    return os.open(path, flags, 0o600)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file's content at once, and see it and its name on the disk. Raises ``OSError``."""
    make_spool(path.parent)
    scratch = path.with_name(path.name + SCRATCH)
    with open(scratch, "wb", opener=only_ours) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
