"""Bugs that are planted into copies of the scripts, to see that the tests bite.

A text that is no longer in a script exactly once fails the test: the bug has to be planted anew.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from horus_supervisor.store.operation import SCRIPTS, Script, resolve_includes


@dataclass(frozen=True)
class Bug:
    """One wrong text for a right one, in one file. ``seed``: a search that finds it quickly."""

    name: str
    file: str
    right: str
    wrong: str
    seed: int = 0


BUGS = (
    Bug(
        "no incarnation check",
        "pieces/slot.lua",
        "if incarnation ~= ARGV[2] or word == 'crashed'",
        "if word == 'crashed'",
        seed=1,
    ),
    Bug(
        "a claim that is noted by another call",
        "pieces/claim.lua",
        "note_slot('held ' .. done .. ' ' .. id",
        "call('SET', ns .. 'to note', 'held ' .. done .. ' ' .. id",
        seed=4,
    ),
    Bug(
        "join before crash",
        "join.lua",
        "if word ~= 'left' and word ~= 'crashed' then return {'wait'} end",
        "",
        seed=0,
    ),
    Bug(
        "late join after retire",
        "join.lua",
        "if call('HEXISTS', ns .. 'supervisors', ARGV[3]) == 0 then return {'no member'} end",
        "",
        seed=1,
    ),
    Bug(
        "crash by job instead of by seq",
        "pieces/death.lua",
        "if last and last >= 0 and last < seq + 0 then",
        "if last == 0 then",
        seed=3,
    ),
    Bug(
        "a second crash record",
        "crash.lua",
        "if last == ARGV[2] then return {'again', disposition, id, queue, attempt} end",
        "",
        seed=3,
    ),
    Bug(
        "a crash whose repeat forgets what became of the job",
        "crash.lua",
        "return {'again', disposition, id, queue, attempt}",
        "return {'again', 'none', '', '', '0'}",
        seed=7,
    ),
    Bug(
        "a repeated empty that claims",
        "claim.lua",
        "if go == 'again' then return claimed_again() end\nif go ~= 'next' then return {go} end",
        "if go == 'again' and word == 'held' then return claimed_again() end\n"
        "if go ~= 'next' and go ~= 'again' then return {go} end",
        seed=0,
    ),
    Bug(
        "a stale finish taken",
        "finish.lua",
        "if go ~= 'next' then return {go} end",
        "if go == 'no member' then return {go} end",
        seed=1,
    ),
    Bug(
        "a wake token forgotten by a woken runner",
        "claim.lua",
        "if ARGV[6] == '1' and reply[2] == 'job' then",
        "if false then",
        seed=4,
    ),
    Bug(
        "a wake token forgotten where a job begins to wait",
        "pieces/push.lua",
        "    wake(queue)\n    call(how",
        "    call(how",
        seed=7,
    ),
    Bug(
        "a wake token forgotten by resume",
        "resume.lua",
        "  wake(queue)\n",
        "",
        seed=7,
    ),
    Bug(
        "a paused queue that promote does not know of",
        "pieces/push.lua",
        "if word == 'paused' then",
        "if false then",
        seed=4,
    ),
    Bug(
        "an expired job that is not counted",
        "pieces/claim.lua",
        "        give_up(id, queue)\n",
        "        call('HDEL', ns .. 'jobs', id)\n",
        seed=7,
    ),
    Bug(
        "an expired job that starts",
        "pieces/claim.lua",
        "if expires == '' or tonumber(expires) > tonumber(now) then",
        "if true then",
        seed=7,
    ),
    Bug(
        "a purge that leaves what is scheduled",
        "purge.lua",
        "if room > 0 then",
        "if false then",
        seed=6,
    ),
    Bug(
        "a wake token forgotten with the dead who took it",
        "crash.lua",
        "rearm()\n",
        "",
        seed=4,
    ),
    Bug(
        "ids rotated per keeper",
        "rotate.lua",
        "if last and math.abs(now - last) < tonumber(ARGV[1]) then return {'early'} end",
        "",
        seed=1,
    ),
    Bug(
        "enqueue that is not idempotent after the end",
        "enqueue.lua",
        "if call('SISMEMBER', ns .. 'finished', id) == 1"
        " or call('SISMEMBER', ns .. 'finished:old', id) == 1 then",
        "if false then",
        seed=3,
    ),
    Bug(
        "enqueue that is not idempotent before the end",
        "enqueue.lua",
        "if call('HSETNX', ns .. 'jobs', id, job) == 0 then",
        "if call('HSET', ns .. 'jobs', id, job) < 0 then",
        seed=3,
    ),
    Bug(
        "a due time that promote does not look for",
        "pieces/push.lua",
        "  call('ZADD', ns .. 'due', 'LT', due, queue)\n",
        "",
        seed=5,
    ),
    Bug(
        "a later due time that hides an earlier one",
        "pieces/push.lua",
        "'due', 'LT', due,",
        "'due', due,",
        seed=7,
    ),
    Bug(
        "a promote that looks at a queue once",
        "promote.lua",
        "if next_due then",
        "if false then",
        seed=3,
    ),
    Bug(
        "a queue with work that no kick looks at",
        "pieces/push.lua",
        "    if not word then call('HSET', ns .. 'queues', queue, 'awake') end\n",
        "",
        seed=7,
    ),
    Bug(
        "a kick that looks at a queue once",
        "pieces/rearm.lua",
        "wake(queue) else call('HDEL', ns .. 'queues', queue) end",
        "wake(queue) end\n      call('HDEL', ns .. 'queues', queue)",
        seed=4,
    ),
    Bug(
        "a counter that misses discards",
        "pieces/give_up.lua",
        "  call('HINCRBY', ns .. 'discarded', queue, 1)\n",
        "",
        seed=7,
    ),
    Bug(
        "max_attempts=1 restarted after an interrupted runner's death",
        "pieces/death.lua",
        "if death == 'interrupted' and n.max_attempts > 1 then",
        "if death == 'interrupted' then",
        seed=10,
    ),
    Bug(
        "max_attempts=1 restarted after its release",
        "release.lua",
        "if ARGV[4] == '1' and n.max_attempts == 1 then",
        "if false then",
        seed=5,
    ),
    Bug(
        "max_attempts=1 restarted after its first crash",
        "pieces/death.lua",
        "  if n.attempts >= n.max_attempts then return 'exhausted' end\n",
        "",
        seed=7,
    ),
    Bug(
        "a release that counts",
        "release.lua",
        "    to_head(id, queue, job, n, now)\n",
        "    n.attempts = n.attempts + 1\n    to_head(id, queue, job, n, now)\n",
        seed=4,
    ),
    Bug(
        "a supervisor retired while its heart beats",
        "retire.lua",
        "if ARGV[2] ~= '' and string.match(found, '^%d+') ~= ARGV[2] then return {'alive'} end",
        "",
        seed=7,
    ),
    Bug(
        "a late retry that revives once more",
        "retry.lua",
        "if ARGV[2] ~= '' and n.fence ~= tonumber(ARGV[2]) then return {'stale'} end",
        "",
        seed=6,
    ),
    Bug(
        "a class that is never held back",
        "pieces/hold.lua",
        "if most > 0 and count >= most then",
        "if false then",
        seed=7,
    ),
    Bug(
        "a success that frees a class that is held",
        "calm.lua",
        "if call('HEXISTS', ns .. 'held', ARGV[1]) == 1 then return {'held'} end",
        "",
        seed=7,
    ),
    Bug(
        "a parked job that is forgotten",
        "pieces/hold.lua",
        "  call('RPUSH', ns .. 'parked:' .. name, id)\n",
        "",
        seed=7,
    ),
    Bug(
        "a fence that starts again with a new life",
        "retry.lua",
        "n.attempts, n.crashes, n.losses = 0, 0, 0",
        "n.attempts, n.crashes, n.losses, n.fence = 0, 0, 0, 0",
        seed=4,
    ),
    Bug(
        "a job that tells a class, and is not counted",
        "pieces/death.lua",
        "  call('HINCRBY', ns .. 'enqueued', flight.queue, 1)\n",
        "",
        seed=7,
    ),
    Bug(
        "a class that is blamed for what tells of it",
        "pieces/death.lua",
        " and flight.name ~= 'horus.on_crash'",
        "",
        seed=7,
    ),
    Bug(
        "a class that is blamed for a kill",
        "pieces/death.lua",
        "flight.blamed = death == 'crashed' and",
        "flight.blamed =",
        seed=3,
    ),
    Bug(
        "an unhold that moves what an operator has moved",
        "unhold.lua",
        "if queue and is_parked(id, queue) then",
        "if queue then",
        seed=41,
    ),
    Bug(
        "a job that is parked still when an operator has taken it",
        "pieces/hold.lua",
        "  call('LREM', ns .. 'parked:' .. name, 1, id)\n",
        "",
        seed=7,
    ),
    Bug(
        "deaths of a retired supervisor that are kept",
        "retire.lua",
        "  call('HDEL', ns .. 'deaths', slot)\n",
        "",
        seed=3,
    ),
)


def plant(bug: Bug, folder: Path) -> dict[str, Script]:
    """Copy the scripts into a folder, with one bug in them."""
    shutil.copytree(SCRIPTS, folder)
    path = folder / bug.file
    text = path.read_text()
    found = text.count(bug.right)
    assert found == 1, f"{bug.file} has {bug.right!r} {found} times: plant {bug.name!r} anew"
    path.write_text(text.replace(bug.right, bug.wrong))
    return {path.stem: load(path, folder) for path in folder.glob("*.lua")}


def load(path: Path, folder: Path) -> Script:
    return Script.of(path.stem, resolve_includes(path.read_text(), folder))
