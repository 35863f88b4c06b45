"""What is asked of the kernel."""

from __future__ import annotations

import mmap
import os
import select
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from horus_supervisor import linux
from tests.support.service import alive
from tests.support.waiting import wait_until

PRCTL = """
import os, sys, time
from horus_supervisor import linux
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRCTL + code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_process_is_named_and_a_long_name_is_cut() -> None:
    code = "linux.name_process(sys.argv[1]); print(open('/proc/self/comm').read(), end='')"
    assert run(code, "horus emails/1") == "horus emails/1\n"
    assert run(code, "a" * 40) == "a" * 15 + "\n"


def test_an_orphan_is_adopted() -> None:
    code = """
linux.adopt_orphans()
top = os.getpid()
if os.fork() == 0:
    if os.fork() == 0:
        while os.getppid() != top:
            time.sleep(0.001)
        os._exit(7)
    os._exit(0)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(2)))
"""
    assert run(code) == "[0, 7]\n"


def test_a_child_dies_with_its_parent() -> None:
    code = """
hears, says = os.pipe()
if os.fork() == 0:
    linux.die_with_parent()
    print(os.getpid(), flush=True)
    os.close(1)
    os.write(says, b".")
    time.sleep(60)
os.read(hears, 1)
"""
    child = int(run(code))
    wait_until(lambda: not alive(child), "the child is gone", 5)


def test_a_memory_file_is_on_no_disk_closed_at_exec_and_empty() -> None:
    fd = linux.memory_file("horus-test")
    assert os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:horus-test")
    assert not os.get_inheritable(fd)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_a_memory_file_with_a_size_keeps_it() -> None:
    fd = linux.memory_file("horus-test", 4096)
    for size in (0, 4095, 8192):
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size)
    assert os.fstat(fd).st_size == 4096
    os.close(fd)


def test_a_pidfd_is_readable_once_the_process_has_ended() -> None:
    process = subprocess.Popen(["sleep", "60"])
    fd = linux.open_pidfd(process.pid)
    assert fd is not None
    assert select.select([fd], [], [], 0)[0] == []
    process.kill()
    assert select.select([fd], [], [], 5)[0] == [fd]
    os.close(fd)
    process.wait()
    assert linux.open_pidfd(process.pid) is None


def test_a_group_is_killed_whole() -> None:
    shell = "sleep 60 & echo $!; wait"
    with subprocess.Popen(
        ["sh", "-c", shell], stdout=subprocess.PIPE, text=True, process_group=0
    ) as leader:
        assert leader.stdout is not None
        member = int(leader.stdout.readline())
        assert linux.kill_group(leader.pid)
        assert leader.wait(5) == -9
        wait_until(lambda: not _lives(member), "the other member is gone", 5)


def test_a_group_that_is_gone_is_told() -> None:
    with subprocess.Popen(["true"], process_group=0) as gone:
        gone.wait()
    assert not linux.kill_group(gone.pid)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("pgid", [0, 1, -1])
def test_a_group_that_is_everybody_is_never_signalled(pgid: int) -> None:
    assert not linux.kill_group(pgid, 0)


def test_threads_are_counted_and_one_where_there_is_no_proc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    others = [threading.Thread(target=over.wait) for _ in range(2)]
    before = linux.threads()
    for other in others:
        other.start()
    assert linux.threads() == before + 2
    over.set()
    for other in others:
        other.join()

    def missing(path: str) -> list[str]:
        raise FileNotFoundError(2, "No such file or directory", path)

    monkeypatch.setattr(os, "listdir", missing)
    assert linux.threads() == 1


def test_memory_of_our_own_is_told() -> None:
    before = linux.private_memory_bytes()
    kept = mmap.mmap(-1, 20 << 20)  # fresh pages, whatever other tests have freed
    for page in range(0, len(kept), mmap.PAGESIZE):
        kept[page] = 1
    assert 19 << 20 <= linux.private_memory_bytes() - before <= 30 << 20


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("0::/app.slice\n", "/sys/fs/cgroup/app.slice/memory.events"),
        ("9:memory:/box\n1:cpu:/\n", "/sys/fs/cgroup/memory/box/memory.oom_control"),
        ("0::/odd:name\n", "/sys/fs/cgroup/odd:name/memory.events"),
        ("0::/docker/box\n", "/sys/fs/cgroup/memory.events"),
        ("9:memory:/docker/box\n", "/sys/fs/cgroup/memory/memory.oom_control"),
    ],
)
def test_kills_for_memory_are_read_from_either_version_of_cgroups(
    line: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"/proc/self/cgroup": line, file: "low 0\noom_kill 3\noom_kill_disable 0\n"}

    def read(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read)
    assert linux.oom_kills() == 3


def test_kills_for_memory_are_none_where_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert linux.oom_kills() == 0


def test_who_holds_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "held"
    path.touch()
    assert linux.holders(path) == []
    with path.open():
        assert linux.holders(path) == [os.getpid()]
    assert linux.holders(tmp_path / "missing") == []
