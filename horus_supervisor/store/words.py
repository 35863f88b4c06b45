"""What went wrong with Redis, in words: the same ones whichever driver met it.

Decides what an error means (did the call happen?), and says what, where and what to try.
Never quotes a password: some of Redis's own messages echo what they were sent.
"""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from horus_supervisor.address import Address
from horus_supervisor.embedded import LOCK, OLDEST, is_held
from horus_supervisor.errors import (
    HorusError,
    QueueFull,
    RedisAway,
    RedisRefused,
    ReplyLost,
    ServiceNotRunning,
)

PASSING = frozenset(
    (
        *("LOADING", "BUSY", "MASTERDOWN", "READONLY"),
        *("CLUSTERDOWN", "TRYAGAIN", "MISCONF", "NOREPLICAS"),
        "UNBLOCKED",  # who waited is woken as the server becomes a replica
    )
)
"""Refusals that end by themselves: the call did not happen, the server is as good as away."""

CREDENTIALS = frozenset(("NOAUTH", "WRONGPASS", "NOPERM", "DENIED"))

_WITHOUT_RIGHTS = (
    "without any password configured",
    "The user executing the script can't",  # Redis 7.0
    "ACL failure in script",  # Redis 7.2, Valkey
)
"""What Redis says with no code of its own."""

START = "horus-supervisor -c FILE"

_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ENOENT: "no such file",
    errno.EACCES: "permission denied",
    errno.ECONNRESET: "closed the connection",
    errno.EPIPE: "closed the connection",
    errno.EHOSTUNREACH: "no route to host",
}


def unreachable(address: Address, error: OSError | None, why: str | None = None) -> HorusError:
    """Name a failure to connect: nothing was sent.

    ``ServiceNotRunning`` where an embedded server's socket is absent or dead and no service holds
    its folder (one that does starts it again), ``RedisRefused`` where the server's certificate
    isn't trusted or ours can't be read, else ``RedisAway``.
    """
    if distrust := getattr(error, "verify_message", None):
        return RedisRefused(f"Redis at {address.safe} isn't trusted: {distrust}")
    if address.tls and error is not None and _is_of_a_file(error):
        return RedisRefused(
            f"a certificate or key for Redis at {address.safe} can't be used: {reason(error)}"
        )
    if address.folder is not None and _nobody_listens(error) and not _is_served(address.folder):
        return ServiceNotRunning(
            f"no service runs behind {address.safe}",
            remedy=f"start it with `{START}`, the file that has this URL; if it does run, give its"
            " folder's absolute path: a relative one is taken from the working folder here, and"
            " from FILE's folder there",
        )
    why = why or reason(error)
    return RedisAway(f"can't reach Redis at {address.safe}: {why}", remedy=_no_redis(why))


def lost(address: Address, error: OSError | None) -> ReplyLost:
    """Name a connection that broke after a call was sent: it may have happened."""
    why = reason(error)
    return ReplyLost(
        f"lost Redis at {address.safe} before it answered: {why}", remedy=_no_redis(why)
    )


def _no_redis(why: str) -> str:
    """Tell what to do about a server that is none of Redis's kind."""
    alien = why.startswith("protocol error")  # hiredis's words
    return "what answers there doesn't speak as Redis does: use another URL" if alien else ""


def refusal(address: Address, what: str, text: str) -> HorusError:
    """Name an error that Redis answered to ``what``; ``text`` begins with its code."""
    code = text.partition(" ")[0].lstrip("-")
    said = without_password(address, text).rstrip(".")  # a colon may follow
    if code == "OOM":
        return QueueFull(f"Redis at {address.safe} is full (maxmemory), {what} was not accepted")
    if code in PASSING or "max number of clients" in text:
        return RedisAway(
            f"Redis at {address.safe} doesn't serve now, {what} did not happen: {said}"
        )
    if code in CREDENTIALS or any(words in text for words in _WITHOUT_RIGHTS):
        return RedisRefused(
            f"Redis at {address.safe} refused {what}: {said}",
            remedy="check user and password in the URL, and what the user may do (ACL LIST)",
        )
    return RedisRefused(f"Redis at {address.safe} refused {what}: {said}")


def check_version(address: Address, told: object) -> None:
    """Refuse a server that is older than ``OLDEST``, by what it tells of itself (INFO server)."""
    if not isinstance(told, bytes):  # no Redis: its answer to the next call says so in words
        return
    version = told.partition(b"redis_version:")[2].split(b"\r\n")[0].decode()
    if version and int(version.split(".")[0]) < OLDEST[0]:
        raise RedisRefused(
            f"Redis at {address.safe} is version {version}:"
            f" Horus needs {OLDEST[0]}.{OLDEST[1]} or newer, or Valkey"
        )


def reason(error: OSError | None) -> str:
    """Tell in a few words why a connection failed; the operating system's words at the worst."""
    if isinstance(error, (TimeoutError, BlockingIOError)):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "unknown host name"
    if error is None:
        return "closed the connection"
    return _REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()


def without_password(address: Address, text: str) -> str:
    """Blot the password out of a server's words."""
    return text.replace(address.password, "***") if address.password else text


def _is_of_a_file(error: OSError) -> bool:
    """Tell whether it is about a file of ours: OpenSSL names a garbled or unfit one so."""
    unfit = getattr(error, "library", None) == "X509" or "PEM lib" in str(error)
    return unfit or error.errno in (errno.ENOENT, errno.EACCES, errno.EISDIR)


def _is_served(folder: Path) -> bool:
    """Tell whether a service runs on an embedded server's folder, whether or not that answers."""
    try:
        return is_held(folder / LOCK)
    except OSError:  # no folder, or not ours
        return False


def _nobody_listens(error: OSError | None) -> bool:
    return error is not None and error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR)
