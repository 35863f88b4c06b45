"""Where Redis is: a URL, read once, for both drivers.

Knows no client library. What it shows of itself (``safe``, ``repr``) never has the password, and
neither has an error about a URL: a password with a stray ``/`` or ``#`` lands in other parts of it,
so the error quotes none of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from horus_supervisor.embedded import socket_path
from horus_supervisor.errors import HorusError

Scheme = Literal["redis", "rediss", "unix", "embedded"]

OPTIONS = ("db", "username", "password")
TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")

_ENCODE = "a password with / ? # @ : or % in it must be percent-encoded"


class AddressError(HorusError, ValueError):
    """A Redis URL can't be used; the message never quotes the URL, which may hold a password."""


@dataclass(frozen=True, slots=True)
class Address:
    """One Redis server. ``path`` is the socket of ``unix`` and ``embedded``, absolute."""

    scheme: Scheme
    host: str = "localhost"
    port: int = 6379
    path: str | None = None
    folder: Path | None = None
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_check_hostname: bool = True
    assumed: bool = False
    """Whether nobody said so: whoever meant another one is told."""

    @property
    def tls(self) -> bool:
        """Tell whether the connection is encrypted; the server's certificate is then verified."""
        return self.scheme == "rediss"

    @property
    def safe(self) -> str:
        """Name the server for people and logs, without credentials: ``r1:6379``."""
        suffix = f"/{self.db}" if self.db else ""
        if self.folder is not None:
            return f"embedded:{self.folder}"
        if self.path is not None:
            return f"unix:{self.path}{suffix}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{suffix}{' (HORUS_URL is not set)' if self.assumed else ''}"

    @property
    def url(self) -> str:
        """Write the address as a URL again, credentials included: for another process of ours."""
        if self.folder is not None:
            return f"embedded:{self.folder}"
        who = f"{quote(self.username or '', '')}:{quote(self.password or '', '')}@"
        login = who if self.username or self.password else ""
        options = {
            "ssl_ca_certs": self.ssl_ca_certs,
            "ssl_certfile": self.ssl_certfile,
            "ssl_keyfile": self.ssl_keyfile,
            "ssl_check_hostname": None if self.ssl_check_hostname else "false",
        }
        if self.path is not None:
            return f"unix://{login}{quote(self.path)}?db={self.db}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = urlencode({name: value for name, value in options.items() if value})
        return f"{self.scheme}://{login}{host}:{self.port}/{self.db}" + (
            f"?{query}" if query else ""
        )


def parse_url(url: str, *, base: Path | None = None) -> Address:
    """Read a Redis URL.

    ``redis://[user[:password]@]host[:port][/db]``, ``rediss://`` the same over TLS,
    ``unix://[user[:password]@]/path[?db=N]``, ``embedded:DIR``. Relative files are relative to
    ``base`` (default: the working folder). Raises: ``AddressError``.
    """
    base = Path() if base is None else base  # asked for where it is needed: it may be gone
    if url.startswith("embedded:"):
        return _checked(_embedded(url.removeprefix("embedded:"), base))
    match scheme := url.partition("://")[0]:
        case "redis" | "rediss":
            return _tcp(url, scheme, base)
        case "unix":
            return _checked(_unix(url))
        case "redis+sentinel" | "rediss+sentinel":
            raise AddressError(
                "redis+sentinel:// is not supported yet: give the primary's redis://"
            )
    raise AddressError("a Redis URL begins with redis://, rediss://, unix:// or embedded:")


def _checked(address: Address) -> Address:
    if not is_utf8(str(address.path)):
        raise AddressError("the path of Redis's socket is no UTF-8: rename the folder that isn't")
    return address


def _embedded(folder: str, base: Path) -> Address:
    if not folder or (folder.startswith("//") and not folder.startswith("///")):
        raise AddressError(
            "an embedded Redis is written embedded:DIR, with a folder and without //"
        )
    path = _absolute(folder, base)
    return Address("embedded", folder=Path(path), path=socket_path(Path(path)))


def _tcp(url: str, scheme: Literal["redis", "rediss"], base: Path) -> Address:
    userinfo, place, path, options = _split(url, OPTIONS if scheme == "redis" else OPTIONS + TLS)
    host, port = _place(place)
    if options.get("ssl_keyfile") and not options.get("ssl_certfile"):
        raise AddressError("ssl_keyfile goes with ssl_certfile: the key of which certificate?")
    username, password = _credentials(userinfo, options)
    return Address(
        scheme,
        host=host,
        port=port,
        db=_number(options.get("db") or path.strip("/") or "0", "database"),
        username=username,
        password=password,
        ssl_ca_certs=_file(options, "ssl_ca_certs", base),
        ssl_certfile=_file(options, "ssl_certfile", base),
        ssl_keyfile=_file(options, "ssl_keyfile", base),
        ssl_check_hostname=_yes(options.get("ssl_check_hostname", "true")),
    )


def _unix(url: str) -> Address:
    userinfo, place, path, options = _split(url, OPTIONS)
    if place or not path:
        raise AddressError(
            "a socket's path is absolute, with three slashes: unix:///run/redis.sock"
        )
    username, password = _credentials(userinfo, options)
    return Address(
        "unix",
        path=os.path.normpath(unquote(path)),
        db=_number(options.get("db") or "0", "database"),
        username=username,
        password=password,
    )


def _split(url: str, known: tuple[str, ...]) -> tuple[str, str, str, dict[str, str]]:
    """Tell userinfo, the rest of the authority, path and options of a URL."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:  # its message quotes the URL
        raise AddressError(f"this Redis URL can't be read: {_ENCODE}") from None
    if parts.fragment or "@" in parts.path:
        raise AddressError(f"this Redis URL can't be read: {_ENCODE}")
    if not is_utf8(parts.netloc + parts.query):
        raise AddressError(
            "this Redis URL can't be read: it is no UTF-8; percent-encode what isn't"
        )
    if any(name not in known for name, _ in pairs):
        raise AddressError(
            f"a {parts.scheme}:// URL knows the options {', '.join(known)}; {_ENCODE}"
        )
    userinfo, _, place = parts.netloc.rpartition("@")
    return userinfo, place, parts.path, dict(pairs)


def _place(place: str) -> tuple[str, int]:
    """Split ``host:port``, ``[v6]:port``, ``host`` or nothing."""
    head, bracket, tail = place.rpartition("]")
    host, _, port = tail.partition(":")
    if bracket:
        host = head.removeprefix("[")
    number = _number(port or "6379", "port")
    if not 0 < number < 65536:
        raise AddressError(f"a Redis URL's port lies between 1 and 65535; {_ENCODE}")
    host = unquote(host) or "localhost"
    if not _is_host(host):
        raise AddressError(f"a Redis URL's host is a name or an address; {_ENCODE}")
    return host, number


def _is_host(host: str) -> bool:
    try:
        return host.isascii() or bool(host.encode("idna"))  # as connecting would
    except UnicodeError:
        return False


def is_utf8(text: str) -> bool:
    """Tell whether a text can be written to Redis, into a log, or to another process of ours."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:  # what else a shell's bytes become
        return False


def _credentials(userinfo: str, options: dict[str, str]) -> tuple[str | None, str | None]:
    username, colon, password = userinfo.partition(":")
    return (
        unquote(username) or options.get("username") or None,
        (unquote(password) if colon else options.get("password")) or None,
    )


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise AddressError(f"a Redis URL's {what} is a whole number; {_ENCODE}")
    return int(text)


def _yes(text: str) -> bool:
    if text.lower() not in ("true", "1", "yes", "false", "0", "no"):
        raise AddressError("ssl_check_hostname is true or false")
    return text.lower() in ("true", "1", "yes")


def _file(options: dict[str, str], name: str, base: Path) -> str | None:
    return _absolute(options[name], base) if options.get(name) else None


def _absolute(path: str, base: Path) -> str:
    return os.path.abspath(base / Path(path).expanduser())
