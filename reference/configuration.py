"""Every key of the TOML file."""

from __future__ import annotations

from horus_supervisor.config import keys
from horus_supervisor.config.keys import Key
from horus_supervisor.config.values import show
from reference.words import table

_HEAD = """
# The TOML file

What `horus-supervisor -c config.toml` reads. `config.example.toml` is one with every key in it.
Unknown keys, wrong types and bare numbers where a unit belongs are mistakes: `--check` tells all
of them, each with its line.

Durations are `"250ms"`, `"25s"`, `"10m"`, `"1h30m"`, `"2d"`; sizes are `"512MiB"` (2²⁰ bytes) or
`"512MB"` (10⁶). Paths are relative to the file.
"""

_TABLES = {
    "redis": "Where the jobs are kept. A change needs a restart.",
    "supervisor": "The service as a whole.",
    "groups.NAME": (
        "Runners that are alike. Queues of the same weight, or without one, take turns."
    ),
    "log": "What is logged, and how.",
}
"""Table -> what it is."""

_QUEUES = """
## `[queues]`

`QUEUE = RUNNERS`: each line is a queue, and a group of that name with so many runners. 0: the
queue is known, and served by no one here. A queue's name is 1 to 64 of `A-Z a-z 0-9 _ . -`.
"""

_DEFAULTS = """
## `[defaults]`

Any key of a group but `queues`, for all groups and for `[queues]`:
"""

_AFTER = """
## When a change is taken

Saving the file is enough for groups, `[queues]` and `[defaults]`: runners appear or leave within
two seconds, each after its current job, and only those whose settings changed are replaced. The
keys that the log's `supervisor.reloaded` names in `needs_restart` hold from the next start on. A
file with mistakes changes nothing (`supervisor.config_rejected`).

## The environment

`HORUS_CONFIG` names the file for `horus`, `HORUS_URL` the Redis for `horus` and for clients
without a URL, `NO_COLOR` turns colour off. No other setting is read from the environment.
"""


def page() -> str:
    """Make the page."""
    parts = [_HEAD.strip()]
    for name, words in _TABLES.items():
        if name == "groups.NAME":
            parts.append(_QUEUES.strip())
        parts.append(f"## `[{name}]`\n\n{words}\n\n{_of(keys.TABLES[name])}")
        if name == "groups.NAME":
            named = ", ".join(f"`{key.name}`" for key in keys.LIMITS)
            parts.append(f"{_DEFAULTS.strip()} {named}.")
    assert _TABLES.keys() == keys.TABLES.keys()
    return "\n\n".join([*parts, _AFTER.strip()])


def _of(known: tuple[Key, ...]) -> str:
    rows = [(f"`{k.name}`", k.kind.word, _default(k), f"{_sentence(k.doc)}") for k in known]
    return table(("key", "is", "default", "for"), rows)


def _default(key: Key) -> str:
    if key.default is keys.REQUIRED:
        return "required"
    return "" if key.default is None else f"`{show(key.default)}`"


def _sentence(words: str) -> str:
    return words
