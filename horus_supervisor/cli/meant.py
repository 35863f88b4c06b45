"""Words that are no verbs here, typed by whoever knows other tools: what to type instead."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterable

from horus_supervisor.cli import typed
from horus_supervisor.cli.asked import Asked
from horus_supervisor.cli.wiring import FILE_HERE

CLOSE = 0.75
"""How alike a slip of the finger is to its verb, by difflib; ``start`` and ``status`` have 0.73."""

MEANT = {
    "start serve server daemon supervisor up": typed.SERVICE,
    "stop down shutdown quit": "systemctl stop horus, or kill -TERM the pid of horus-supervisor",
    "restart": "systemctl restart horus; a reload is enough for new job code",
    "reload hup deploy": typed.RELOAD,
    "scale": "[queues] in the file: saving it is enough",
    "log logs tail": "journalctl -u horus: the service logs to its standard output",
    "check validate lint config": typed.CHECK,
    "probe health ping": f"{typed.SERVICE} --probe ready",
    "worker workers runner run-worker runworker": f"{typed.SERVICE}; here: horus work",
    "runners hosts processes ps": "horus status",
    "queue queues info stats stat summary overview dashboard top monitor": "horus status",
    "watch": "horus status --watch",
    "list ls scheduled pending running ready schedule": "horus jobs",
    "get inspect job describe cat": "horus show ID",
    "failed failures failure errors morgue dlq": "horus dead",
    "requeue replay rerun redo reenqueue": "horus retry ID",
    "cancel delete remove rm kill abort drop del forget": "horus discard ID",
    "empty clear flush drain": "horus purge QUEUE",
    "unpause continue unhold": "horus resume QUEUE",
    "add push submit send perform call delay": "horus enqueue JOB",
    "execute exec debug": "horus run ID",
    "diagnose diagnostics doc": "horus doctor",
    "new create setup": "horus init",
    "version": "horus --version",
    "help": "horus --help",
}
"""Words -> what to type."""


def instead(word: str, verbs: Iterable[str], asked: Asked) -> str:
    """Say what to type instead of a word that is no verb; ``asked`` is what stood before it."""
    meant = next((how for words, how in MEANT.items() if word.lower() in words.split()), "")
    if not meant:
        near = difflib.get_close_matches(word.lower(), verbs, 1, CLOSE)
        meant = f"horus {near[0]}" if near else "horus --help"
    here = FILE_HERE if os.path.exists(FILE_HERE) else "FILE"
    file = shlex.quote(asked.config or os.environ.get("HORUS_CONFIG") or here)
    return typed.here(meant, typed.again(asked), f"horus-supervisor -c {file}")
