"""Both drivers: who may talk to Redis, which database, over TLS; and what no error may show."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from horus_supervisor.address import parse_url
from horus_supervisor.errors import (
    RedisRefused,
    ReplyLost,
)
from horus_supervisor.store.connection import connect
from horus_supervisor.store.wire import Wire
from tests.support.drivers import (
    COUNT,
    ECHO,
    GUEST,
    PASSWORD,
    READ,
    Open,
    operation,
    told,
)
from tests.support.proxy import Fault, Proxy
from tests.support.redis_server import IN_MEMORY, RedisServer


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with a password, and users of which one may run scripts and one may not."""
    server = RedisServer(
        tmp_path_factory.mktemp("guarded"), extra=(*IN_MEMORY, "--requirepass", PASSWORD)
    )
    server.start()
    with server.client(password=PASSWORD) as admin:
        admin.execute_command("ACL", "SETUSER", "worker", "on", ">wörk/er#2", "~*", "+@all")
        admin.execute_command(
            "ACL", "SETUSER", "guest", "on", f">{GUEST}", "~*", "+ping", "+select"
        )
        reader = ("~*", "+@scripting", "+info", "+client")
        admin.execute_command("ACL", "SETUSER", "reader", "on", f">{GUEST}", *reader)
    yield server
    server.kill()


@pytest.mark.parametrize("userinfo", [":hunter2", "default:hunter2", "worker:w%C3%B6rk%2Fer%232"])
def test_password_and_user_open_a_guarded_server(
    open_: Open, guarded: RedisServer, namespace: str, userinfo: str
) -> None:
    driver = open_(f"unix://{userinfo}@{guarded.path}", name="n")
    assert driver.run(operation(COUNT, namespace)) == 1


@pytest.mark.parametrize(
    ("userinfo", "code"),
    [("", "NOAUTH"), (":wrong-0", "WRONGPASS"), ("worker:wrong-0", "WRONGPASS")],
)
def test_wrong_credentials_are_refused_without_showing_them(
    open_: Open, guarded: RedisServer, userinfo: str, code: str
) -> None:
    with pytest.raises(RedisRefused, match="check user and password") as caught:
        open_(f"unix://{userinfo}@{guarded.path}").run(operation("return {1}", "x"))
    assert code in str(caught.value)
    assert ".: " not in str(caught.value)
    assert "wrong-0" not in told(caught.value)


def test_a_password_for_a_server_that_has_none_is_refused_in_words(
    open_: Open, redis_server: RedisServer
) -> None:
    with pytest.raises(RedisRefused, match="check user and password") as caught:
        open_(f"unix://:{PASSWORD}@{redis_server.path}").run(operation("return {1}", "x"))
    assert PASSWORD not in told(caught.value)


def test_a_server_that_echoes_the_password_in_its_error_does_not_get_it_into_ours(
    open_: Open, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path / "s", extra=(*IN_MEMORY, "--rename-command", "AUTH", "OTHER"))
    server.start()
    try:
        with pytest.raises(RedisRefused, match=r"unknown command 'AUTH'.*\*\*\*") as caught:
            open_(f"unix://:{PASSWORD}@{server.path}").run(operation("return {1}", "x"))
        assert PASSWORD not in told(caught.value)
    finally:
        server.kill()


def test_a_user_who_may_not_run_scripts_is_told_so(open_: Open, guarded: RedisServer) -> None:
    with pytest.raises(RedisRefused, match=r"NOPERM.*what the user may do") as caught:
        open_(f"unix://guest:{GUEST}@{guarded.path}").run(operation("return {1}", "x"))
    assert GUEST not in told(caught.value)


def test_a_user_whose_scripts_may_not_write_is_told_so(
    open_: Open, guarded: RedisServer, namespace: str
) -> None:
    with pytest.raises(RedisRefused, match=r"ERR .*script.*what the user may do"):
        open_(f"unix://reader:{GUEST}@{guarded.path}").run(operation(COUNT, namespace))


def test_a_database_is_selected_on_every_connection(
    open_: Open, redis_server: RedisServer, proxy: Proxy, namespace: str
) -> None:
    driver = open_(f"{proxy.url}?db=3", timeout_s=1)
    assert driver.run(operation(COUNT, namespace)) == 1
    proxy.next(Fault.CUT_BEFORE)
    with pytest.raises(ReplyLost):
        driver.run(operation(COUNT, namespace))
    assert driver.run(operation(COUNT, namespace)) == 2
    assert open_(redis_server.url).run(operation(READ, namespace)) == 0


class Tls:
    """A server that speaks TLS only, with a certificate for 127.0.0.1 of a CA of its own."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self._folder = folder
        self._make_certificates()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        files = {"tls-cert-file": "s.pem", "tls-key-file": "s.key", "tls-ca-cert-file": "ca.pem"}
        extra = [part for name, file in files.items() for part in (f"--{name}", str(folder / file))]
        extra += ["--tls-port", str(self.port), "--tls-auth-clients", "no", *IN_MEMORY]
        self.server = RedisServer(folder / "server", extra=extra)

    def url(self, *options: str, host: str = "127.0.0.1") -> str:
        return f"rediss://{host}:{self.port}?{'&'.join(options)}"

    def _make_certificates(self) -> None:
        self._openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
                      " -subj /CN=test-ca -addext keyUsage=critical,keyCertSign"
                      " -keyout ca.key -out ca.pem")  # fmt: skip
        self._openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server"
                      " -keyout s.key -out s.csr")  # fmt: skip
        (self._folder / "ext").write_text(
            "subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n"  # Python 3.13 asks for it
        )
        self._openssl(
            "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -days 2 -extfile ext -out s.pem"
        )

    def _openssl(self, arguments: str) -> None:
        command = ["openssl", *arguments.split()]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    try:
        tls = Tls(tmp_path_factory.mktemp("tls"))
        tls.server.start()
    except (FileNotFoundError, AssertionError) as error:
        pytest.skip(f"no openssl, or a server without TLS: {error}")
    yield tls
    tls.server.kill()


def test_a_server_of_the_given_ca_is_spoken_to_over_tls(
    open_: Open, tls: Tls, namespace: str
) -> None:
    driver = open_(tls.url(f"ssl_ca_certs={tls.ca}"), name="tls")
    assert driver.run(operation(COUNT, namespace)) == 1
    payload = os.urandom(200_000)
    assert driver.run(operation(ECHO, namespace, payload))[1] == payload


def test_over_tls_a_blocking_pop_looks_readable_only_when_it_is_answered(
    tls: Tls, namespace: str
) -> None:
    wire = Wire(parse_url(tls.url(f"ssl_ca_certs={tls.ca}")))
    wire.send_raw("BLPOP", namespace, 0)
    assert select.select([wire], [], [], 0.1)[0] == []
    connect(tls.url(f"ssl_ca_certs={tls.ca}")).raw.lpush(namespace, "token")
    assert select.select([wire], [], [], 5)[0] == [wire]
    assert wire.receive_reply() == [namespace.encode(), b"token"]
    wire.close()


def test_a_server_of_an_unknown_ca_is_refused(open_: Open, tls: Tls) -> None:
    with pytest.raises(RedisRefused, match=r"isn't trusted: .*self-signed certificate"):
        open_(tls.url()).run(operation("return {1}", "x"))


def test_a_certificate_for_another_host_is_refused_unless_that_is_allowed(
    open_: Open, tls: Tls, namespace: str
) -> None:
    ca = f"ssl_ca_certs={tls.ca}"
    with pytest.raises(RedisRefused, match=r"isn't trusted: .*localhost"):
        open_(tls.url(ca, host="localhost")).run(operation("return {1}", "x"))
    driver = open_(tls.url(ca, "ssl_check_hostname=false", host="localhost"))
    assert driver.run(operation(COUNT, namespace)) == 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("ssl_ca_certs=/nowhere/ca.pem", "no such file"),
        ("ssl_ca_certs=/", "is a directory"),
        ("ssl_ca_certs=/dev/null", "no certificate"),
        ("ssl_certfile=/dev/null", "pem lib"),
    ],
)
def test_a_certificate_file_that_is_none_is_refused(
    open_: Open, tls: Tls, options: str, why: str
) -> None:
    with pytest.raises(RedisRefused, match=f"can't be used: .*{why}"):
        open_(tls.url(options)).run(operation("return {1}", "x"))
