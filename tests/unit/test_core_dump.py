"""Where a core dump lies: the kernel's pattern, and the files that are there. core(5)."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from horus_supervisor import messages
from horus_supervisor.supervisor import core_dump

PID, SIGNAL = 4711, 11


@pytest.mark.parametrize(
    ("pattern", "uses_pid", "name"),
    [
        ("core", False, "core"),
        ("core", True, f"core.{PID}"),
        ("core.%p", True, f"core.{PID}"),
        ("%p-%s-%u.core", False, f"{PID}-{SIGNAL}-{os.getuid()}.core"),
        ("%h.%%", False, f"{socket.gethostname()}.%"),
        ("core.%e.%t.%P", False, "core.*.*.*"),
        ("a[b]*%", False, "a[[]b][*]"),
    ],
)
def test_what_is_known_of_a_name_is_filled_in(pattern: str, uses_pid: bool, name: str) -> None:
    assert core_dump.as_glob(pattern, uses_pid, PID, SIGNAL) == name


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has the kernel's settings; cores lie in ``cores``."""
    (tmp_path / "cores").mkdir()
    monkeypatch.chdir(tmp_path / "cores")
    monkeypatch.setattr(core_dump, "_PATTERN", tmp_path / "pattern")
    monkeypatch.setattr(core_dump, "_USES_PID", tmp_path / "uses_pid")
    (tmp_path / "uses_pid").write_text("0\n")
    return tmp_path


def find(kernel: Path, pattern: str, born_wall: float = 0.0) -> tuple[str | None, str | None]:
    (kernel / "pattern").write_text(pattern + "\n")
    return core_dump.find(PID, SIGNAL, born_wall)


def test_a_core_is_found_by_a_relative_and_by_an_absolute_pattern(kernel: Path) -> None:
    there = kernel / "cores" / f"core.q.{PID}"
    there.touch()
    assert find(kernel, "core.%e.%p") == (str(there), None)
    assert find(kernel, f"{kernel}/cores/core.%e.%p") == (str(there), None)


def test_a_path_is_told_only_of_one_file_that_is_there_and_new(kernel: Path) -> None:
    assert find(kernel, "core") == (None, None)
    (kernel / "cores" / "core").touch()
    assert find(kernel, "core", born_wall=time.time() + 10) == (None, None)
    (kernel / "cores" / "core.1").touch()
    (kernel / "cores" / "core.2").touch()
    assert find(kernel, "core.%t") == (None, None)


def test_a_path_that_is_no_text_can_be_written_into_a_record(kernel: Path) -> None:
    cut = os.fsencode(kernel / "cores") + b"/core." + "обработчик".encode()[:15]
    Path(os.fsdecode(cut)).touch()
    path, _ = find(kernel, "core.%e")
    assert path == f"{kernel}/cores/core.обработ\\xd1"
    assert messages.encode(path)


def test_a_core_that_went_into_a_program_says_so(kernel: Path) -> None:
    told = find(kernel, "|/usr/lib/systemd/systemd-coredump %P %u")
    assert told == (None, "its core was handed to /usr/lib/systemd/systemd-coredump")


def test_a_kernel_that_does_not_tell_is_borne(kernel: Path) -> None:
    assert core_dump.find(PID, SIGNAL, 0.0) == (None, None)


def test_a_working_folder_that_a_deploy_removed_has_no_core(kernel: Path) -> None:
    (kernel / "cores").rmdir()
    assert find(kernel, "core.%p") == (None, None)
    assert find(kernel, "|/usr/bin/keep")[1] == "its core was handed to /usr/bin/keep"
