"""Every verb and option of ``horus`` and ``horus-supervisor``."""

from __future__ import annotations

import argparse
import inspect
import re

import click

from horus_supervisor.cli.errors import Exit
from horus_supervisor.cli.main import VERBS
from horus_supervisor.cli.main import main as command
from horus_supervisor.supervisor.command_line import parser
from reference.words import table

_HORUS = """
# `horus`

The operator's command. Where it looks: `-c FILE`, `--url URL`, else the file that `HORUS_CONFIG`
names, the URL in `HORUS_URL`, else `config.toml` in the working folder. Ids may be shortened while
they are unique.

Each verb has `--help`. With `--json`, before the verb or behind it, standard output is one object,
`{"schema": 1, ...}`, to which fields are only ever added, and an error is an object on standard
error. People get tables that fit 80 columns, coloured on a terminal unless `NO_COLOR` is set.
"""

_JSON = """
| of | the object has |
|---|---|
| `status` | `healthy`, `reasons`, `queues`, `supervisors`, each with its `runners`, and `held`: classes |
| `jobs`, `dead` | `jobs` or `dead`, each with `job_id`, `job`, `queue`, `state`, `attempt`, `crashes`, `enqueued_at`, `due_at`, `expires_at` and `tags` |
| `show` | `job`: the same, its `args`, last error and `history` |
| `enqueue` | `job`: its `job_id`, and whether it was `created` or known |
| `crashes`, `crash` | `crashes` or `crash`: [crash records](crash-record.md); with `--by` counts |
| `retry`, `discard` | ids: `done`, `failed` with why, with `--dry-run` `would` |
| `pause`, `resume`, `purge` | the queue or class in `done`; how many jobs were `resumed` or `discarded`, or `would` be |
| `doctor` | `healthy`, `findings` |
| `init`, `run`, `work`, `completion` | an object named like the verb |
| an error | `error`: its `kind`, `code` (the exit status), `message`, and what to `try` |

```
horus dead --json | jq -r '.dead[] | [.job_id, .job, .queue] | @tsv'
```
"""  # noqa: E501

_STATUSES = {
    Exit.FAILED: "failed; a `retry` of a running job too",
    Exit.USAGE: "typed wrongly, or the file has mistakes",
    Exit.UNHEALTHY: "not well (`status --check`)",
    Exit.NOT_FOUND: "no such job or crash",
    Exit.AWAY: "Redis is away, or no service is behind an embedded URL",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
}

_SUPERVISOR = """
# `horus-supervisor`

Runs the service that a TOML file describes, until it is told to stop.
"""

_AFTER = """
## Exit status

| status | means |
|---|---|
| 0 | stopped in order |
| 1 | failed while it ran, or could not start; `--probe`: not live, or not ready |
| 2 | usage, or mistakes in the file |

## Signals

| signal | does |
|---|---|
| SIGTERM, SIGINT | stops: no new jobs; running ones may finish within `shutdown_timeout`, then are interrupted and go back uncounted. A second one skips `shutdown_timeout` |
| SIGHUP | reads the file again and loads the job code afresh: imported beside the old, then taken by one runner of a group after another, each after its current job |
| SIGUSR1 | logs a `snapshot` of every runner |
"""  # noqa: E501


def horus() -> str:
    """Make the page of ``horus``."""
    context = click.Context(command, info_name="horus")
    parts = [_HORUS.strip(), "## Options before the verb", _options(command, context)]
    parts += ["## `--json`", _JSON.strip(), "## Exit status", _statuses()]
    for verb in VERBS:
        found = command.get_command(context, verb)
        assert found is not None
        parts += _verb(verb, found, click.Context(found, info_name=verb, parent=context))
    return "\n\n".join(parts)


def _statuses() -> str:
    assert _STATUSES.keys() == set(Exit)
    rows = [("0", "done"), *((str(int(code)), words) for code, words in _STATUSES.items())]
    return table(("status", "means"), rows)


def _verb(name: str, verb: click.Command, context: click.Context) -> list[str]:
    usage = " ".join(["horus", name, *verb.collect_usage_pieces(context)])
    title, words = f"## `horus {name}`", _paragraphs(inspect.cleandoc(verb.help or ""))
    examples = re.sub(r"^Examples?: ", "", inspect.cleandoc(verb.epilog or ""))
    shown = [f"```\n{examples.replace('; ', chr(10))}\n```"] if examples else []
    return [title, f"```\n{usage}\n```", words, *shown, _options(verb, context)]


def _paragraphs(words: str) -> str:
    """Keep what click is told to keep as it stands (a paragraph that begins with \\b)."""
    parts = []
    for part in words.split("\n\n"):
        kept = part.removeprefix("\b\n")
        parts.append(f"```\n{kept}\n```" if kept != part else part)
    return "\n\n".join(parts)


def _options(verb: click.Command, context: click.Context) -> str:
    records = [
        param.get_help_record(context)
        for param in verb.get_params(context)
        if isinstance(param, click.Option) and not param.hidden and "--help" not in param.opts
    ]
    rows = [(f"`{names}`", words) for names, words in filter(None, records)]
    return table(("option", "means"), rows) if rows else ""


def supervisor() -> str:
    """Make the page of ``horus-supervisor``."""
    rows = [
        (f"`{_names(action)}`", action.help or "")
        for action in parser()._actions
        if action.help is not argparse.SUPPRESS
    ]
    return "\n\n".join(
        [
            _SUPERVISOR.strip(),
            "```\nhorus-supervisor -c FILE [OPTIONS]\n```",
            "## Options",
            table(("option", "means"), rows),
            _AFTER.strip(),
        ]
    )


def _names(action: argparse.Action) -> str:
    value = action.metavar or "|".join(map(str, action.choices or ()))
    return f"{', '.join(action.option_strings)} {value or ''}".strip()
