"""Redis URLs: what they mean, what they never tell."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from horus_supervisor.address import Address, AddressError, parse_url
from horus_supervisor.errors import HorusError

BASE = Path("/srv/app")


def test_a_plain_url_means_the_usual_port_and_database() -> None:
    assert parse_url("redis://r1") == Address("redis", host="r1", port=6379, db=0)
    assert parse_url("redis://") == Address("redis", host="localhost")
    assert parse_url("redis://localhost:6379/0") == Address("redis")


def test_host_port_and_database_are_read() -> None:
    assert parse_url("redis://r1:7000/3") == Address("redis", host="r1", port=7000, db=3)
    assert parse_url("redis://r1/?db=4").db == 4
    assert parse_url("redis://[::1]:7000").host == "::1"


def test_credentials_are_percent_decoded() -> None:
    address = parse_url("redis://us%40er:p%2Fa%3As%25s@r1")
    assert (address.username, address.password) == ("us@er", "p/a:s%s")
    assert parse_url("redis://:secret@r1").username is None
    assert parse_url("redis://r1?username=u&password=p%23w").password == "p#w"


def test_tls_options_are_for_rediss_only() -> None:
    address = parse_url("rediss://r1?ssl_ca_certs=ca.pem&ssl_check_hostname=false", base=BASE)
    assert address.tls
    assert (address.ssl_ca_certs, address.ssl_check_hostname) == ("/srv/app/ca.pem", False)
    with pytest.raises(AddressError, match="knows the options db, username, password"):
        parse_url("redis://r1?ssl_ca_certs=ca.pem")


def test_a_mistyped_option_is_refused_and_not_ignored() -> None:
    with pytest.raises(AddressError, match="ssl_ca_certs"):
        parse_url("rediss://r1?ssl_ca_cert=ca.pem")
    with pytest.raises(AddressError, match="true or false"):
        parse_url("rediss://r1?ssl_check_hostname=maybe")


def test_a_socket_has_path_database_and_credentials() -> None:
    address = parse_url("unix://user:pass@/run/my%20redis.sock?db=1")
    assert (address.path, address.db) == ("/run/my redis.sock", 1)
    assert (address.username, address.password) == ("user", "pass")
    with pytest.raises(AddressError, match="three slashes"):
        parse_url("unix://run/redis.sock")


def test_an_embedded_folder_is_relative_to_its_file() -> None:
    address = parse_url("embedded:var/horus", base=BASE)
    assert address.folder == Path("/srv/app/var/horus")
    assert address.path == "/srv/app/var/horus/redis.sock"
    assert parse_url("embedded:/var/lib/h", base=BASE).folder == Path("/var/lib/h")
    assert parse_url("embedded:../h?x#y", base=BASE).folder == Path("/srv/h?x#y")


def test_without_a_base_files_are_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_url("embedded:here").folder == tmp_path / "here"


def test_a_key_without_its_certificate_is_refused() -> None:
    with pytest.raises(AddressError, match="ssl_keyfile goes with ssl_certfile"):
        parse_url("rediss://r1?ssl_keyfile=/etc/r.key")


def test_a_working_folder_that_is_gone_is_missed_only_where_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "release-41"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert parse_url("redis://r1").host == "r1"
    assert parse_url("embedded:/var/lib/h").folder == Path("/var/lib/h")


@pytest.mark.parametrize("url", ["embedded:", "embedded://var/horus"])
def test_an_embedded_url_without_a_plain_folder_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match="embedded:DIR"):
        parse_url(url)


def test_sentinel_is_refused_in_words() -> None:
    with pytest.raises(AddressError, match="not supported yet"):
        parse_url("redis+sentinel://s1:26379/mymaster")


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://r1", "/run/redis.sock"])
def test_what_is_no_redis_url_is_refused_naming_the_schemes(url: str) -> None:
    with pytest.raises(AddressError, match=r"redis://, rediss://, unix:// or embedded:"):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://r1:0",
        "redis://r1:70000",
        "redis://r1:x",
        "redis://r1/x",
        "redis://r1/" + 5000 * "9",
    ],
)
def test_a_port_or_database_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match=r"port|database"):
        parse_url(url)


@pytest.mark.parametrize(
    "url",
    ["redis://\udcff/", "redis://:\udcff@r1/", "redis://%ff/", "unix:///\udcff", "embedded:\udcff"],
)
def test_bytes_that_are_no_text_are_refused(url: str) -> None:
    with pytest.raises(AddressError, match=r"no UTF-8|host"):
        parse_url(url)


def test_a_host_may_have_letters_of_all_languages() -> None:
    assert parse_url("redis://b\u00fccher.example").host == "b\u00fccher.example"


def test_an_address_error_is_both_a_horus_error_and_a_value_error() -> None:
    assert issubclass(AddressError, HorusError)
    assert issubclass(AddressError, ValueError)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("redis://u:hunter2@r1:6379/0", "r1:6379"),
        ("redis://u:hunter2@r1/5", "r1:6379/5"),
        ("rediss://:hunter2@[::1]:7000", "[::1]:7000"),
        ("unix://u:hunter2@/run/r.sock?db=2", "unix:/run/r.sock/2"),
        ("embedded:/var/lib/h", "embedded:/var/lib/h"),
    ],
)
def test_what_an_address_shows_of_itself_has_no_password(url: str, safe: str) -> None:
    address = parse_url(url)
    assert address.safe == safe
    assert "hunter2" not in repr(address) + str(address) + address.safe


@pytest.mark.parametrize(
    "url",
    [
        "redis://r1",
        "redis://us%40er:p%2Fa%3As%25s@[::1]:7000/3",
        "redis://only-user@r1",
        "rediss://:p%23w@r1/1?ssl_ca_certs=/etc/a%20b.pem&ssl_check_hostname=false",
        "unix://u:p%40w@/run/my%20redis.sock?db=2",
        "embedded:/var/lib/h%20x",
    ],
)
def test_an_address_written_as_a_url_is_read_as_the_same_address(url: str) -> None:
    address = parse_url(url)
    assert parse_url(address.url) == address


@pytest.mark.parametrize("stray", ["/", "?", "#", "@", ":", "[", "]", "%zz", "/1?", "\u2100"])
@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix"])
def test_no_error_about_a_url_quotes_a_password_that_was_not_encoded(
    scheme: str, stray: str
) -> None:
    url = f"{scheme}://user:hunter{stray}2secret@r1:6379/0"
    try:
        address = parse_url(url)
    except AddressError as error:
        told = "".join(traceback.format_exception(error))
        assert "hunter" not in told.replace(url, "")
        assert "2secret" not in told
    else:
        assert address.password == "hunter" + stray + "2secret"
        assert "hunter" not in address.safe
