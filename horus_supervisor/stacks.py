"""A job's stack for people: the job's frames, without those of the runner that called it.

JSON has it whole, in the log as behind ``--json``. Stacks come as Python writes them: an
exception's with the oldest frame first, a dying process's (faulthandler) with the newest first and
a part a thread.
"""

from __future__ import annotations

import re

_FRAME = re.compile(r'  File "(.*)", line \d+,? in \S+')
_RUNNER = "horus_supervisor/runner/"
_CALLER = re.compile(r'  File ".*horus_supervisor/runner/execute\.py", line \d+ in guarded')
"""What calls ``execute``: in a dying process's stack, all that follows is ours or Python's."""


def of_job(stack: str) -> str:
    """Leave out the runner's frames; a stack of a process that ran no job stays as it is."""
    lines = stack.splitlines()
    dying = "(most recent call first):" in stack
    if dying and not any(map(_CALLER.fullmatch, lines)):
        return stack
    kept = []
    ours = below = False
    for line in lines:
        if frame := _FRAME.fullmatch(line):
            ours = below or _RUNNER in frame[1]
            below = below or (dying and _CALLER.fullmatch(line) is not None)
        elif not line.startswith("    "):  # else a frame's source line
            ours = below = False
        if not ours:
            kept.append(line)
    return "\n".join(kept)
