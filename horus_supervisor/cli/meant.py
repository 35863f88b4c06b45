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
    "start serve server daemon supervisor up": "{start}",
    "stop down shutdown quit": "systemctl stop horus, or kill -TERM the pid of horus-supervisor",
    "restart": "systemctl restart horus; a reload is enough for new job code",
    "reload hup deploy": typed.RELOAD,
    "scale": "[queues] in the file: saving it is enough",
    "log logs tail": "journalctl -u horus: the service logs to its standard output",
    "check validate lint config": "{start} --check",
    "probe health ping": "{start} --probe ready",
    "worker workers runner run-worker runworker": "{start}; here: {again} work",
    "runners hosts processes ps": "{again} status",
    "queue queues info stats stat summary overview dashboard top monitor": "{again} status",
    "watch": "{again} status --watch",
    "list ls scheduled pending running ready schedule": "{again} jobs",
    "get inspect job describe cat": "{again} show ID",
    "failed failures failure errors morgue dlq": "{again} dead",
    "requeue replay rerun redo reenqueue": "{again} retry ID",
    "cancel delete remove rm kill abort drop del forget": "{again} discard ID",
    "empty clear flush drain": "{again} purge QUEUE",
    "unpause continue unhold": "{again} resume QUEUE",
    "add push submit send perform call delay": "{again} enqueue JOB",
    "execute exec debug": "{again} run ID",
    "diagnose diagnostics doc": "{again} doctor",
    "new create setup": "{again} init",
    "version": "horus --version",
    "help": "horus --help",
}
"""Words -> what to type."""


def instead(word: str, verbs: Iterable[str], asked: Asked) -> str:
    """Say what to type instead of a word that is no verb; ``asked`` is what stood before it."""
    meant = next((how for words, how in MEANT.items() if word.lower() in words.split()), "")
    if not meant:
        near = difflib.get_close_matches(word.lower(), verbs, 1, CLOSE)
        meant = f"{{again}} {near[0]}" if near else "horus --help"
    here = FILE_HERE if os.path.exists(FILE_HERE) else "FILE"
    file = shlex.quote(asked.config or os.environ.get("HORUS_CONFIG") or here)
    return meant.format(start=f"horus-supervisor -c {file}", again=typed.again(asked))
