"""What people are told to type, the same wherever they are told it."""

from __future__ import annotations

import re
import shlex

from horus_supervisor.cli.asked import Asked

SERVICE = "horus-supervisor -c FILE"
CHECK = f"{SERVICE} --check"
RELOAD = "systemctl reload horus, or kill -HUP the pid of horus-supervisor"


def here(text: str, again: str, start: str) -> str:
    """Put ``again`` for ``horus`` before a verb, and ``start`` for the service, in a text."""
    text = re.sub(r"(?<![\w/.-])horus (?=[a-z])", lambda _: f"{again} ", text)
    return text.replace(SERVICE, start)


def again(asked: Asked) -> str:
    """Tell how to type ``horus`` so that it looks there once more; no password is repeated."""
    words = ["horus"]
    if asked.config:
        words += ["-c", asked.config]
    if asked.url:  # without it the jobs of a config.toml here would be meant
        words += ["--url", "URL" if _has_password(asked.url) else asked.url]
    if asked.namespace:
        words += ["--namespace", asked.namespace]
    return shlex.join(words)


def _has_password(url: str) -> bool:
    from horus_supervisor.address import AddressError, parse_url

    try:
        return bool(parse_url(url).password)
    except AddressError:
        return True  # who knows
