"""A call that could not be handed in, kept in a file until Redis is back.

Every call may be repeated, so whoever finds the file makes the call and removes it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from horus_supervisor.store.operation import Operation, load_script


class PendingCall(msgspec.Struct, frozen=True):
    """An operation at rest. Texts stay texts, bytes travel as base64."""

    script: str
    prefix: str
    args: list[str]
    raw: list[int]


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
    """Read a call back. Raises ``msgspec.DecodeError`` where the file is no such thing."""
    call = msgspec.json.decode(path.read_bytes(), type=PendingCall)
    args = [bytes.fromhex(v) if at in call.raw else v for at, v in enumerate(call.args)]
    return Operation(load_script(call.script), call.prefix, tuple(args), lambda reply: reply)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file's content at once, and see it on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".new")
    with open(scratch, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
