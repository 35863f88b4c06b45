"""Calls at rest: what is read back is the very call, and no file can hurt."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from horus_supervisor.keeper import rites
from horus_supervisor.lifecycle import Death
from horus_supervisor.store import operations, pending
from horus_supervisor.store.operation import Operation
from horus_supervisor.store.rows import Slot

SLOT = Slot("abc", 3, 9)


@pytest.mark.parametrize(
    "operation",
    [
        operations.finish("n", SLOT, 7, "succeeded", ("a", "b"), max_crashes=3, crash_delay_ms=5),
        operations.release("n", SLOT, 7, ("a",), started=True),
        operations.crash("n", SLOT, 7, Death.CRASHED, b'{"x":"\xc3\xbc\xff"}'),
    ],
    ids=["finish", "release", "crash"],
)
def test_a_call_is_read_back_as_it_was(operation: Operation[object], tmp_path: Path) -> None:
    pending.save(operation, tmp_path / "spool" / "x.call")
    again = pending.load(tmp_path / "spool" / "x.call")
    assert (again.script, again.prefix) == (operation.script, operation.prefix)
    assert [_wire(arg) for arg in again.args] == [_wire(arg) for arg in operation.args]


def test_what_waits_on_disk_is_closed_to_other_users(tmp_path: Path) -> None:
    spool = tmp_path / "state" / "spool"
    before = os.umask(0o022)
    try:
        pending.save(operations.release("n", SLOT, 7, ("a",), started=True), spool / "x.call")
        rites.leave_line(spool, "abc", b"{}\n")
        spool.rename(tmp_path / "first")
        rites.leave_line(spool, "abc", b"{}\n")
    finally:
        os.umask(before)
    files = [*tmp_path.glob("*/*.*"), *spool.iterdir()]
    assert {file.name for file in files} == {"x.call", "abc.lines"}
    assert {oct(file.stat().st_mode) for file in files} == {"0o100600"}
    assert {oct(path.stat().st_mode) for path in (spool, tmp_path / "first")} == {"0o40700"}


def _wire(argument: str | bytes | int) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"script":"finish"}',
        b'{"script":"no_such","prefix":"{n}:","args":[],"raw":[]}',
        b'{"script":"crash","prefix":"{n}:","args":["zz"],"raw":[0]}',
    ],
)
def test_a_file_that_is_no_call_is_refused_in_one_way(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.call"
    path.write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011 - whichever: one kind to catch
        pending.load(path)


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "new" / "folder" / "x.open"
    pending.write_durably(path, b"one")
    pending.write_durably(path, b"two")
    assert [found.name for found in path.parent.iterdir()] == ["x.open"]
    monkeypatch.setattr(os, "fsync", is_full)
    with pytest.raises(OSError, match="space"):
        pending.write_durably(path, b"three")
    assert path.read_bytes() == b"two"


def test_a_folder_that_can_not_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(OSError, match="spool"):
        pending.write_durably(tmp_path / "spool" / "x.open", b"")
