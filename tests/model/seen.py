"""What lies in Redis, and what the model says should, in the same words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from horus_supervisor.store.operation import Operation, Script
from horus_supervisor.store.rows import unpack
from tests.model.actors import NAME
from tests.model.model import Model
from tests.model.places import Job, death_id

_READ = Script.of(
    "read",
    """
local time = redis.call('TIME')
local all = {time[1] * 1000 + math.floor(time[2] / 1000)}
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. '*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'stream' then value = redis.call('XRANGE', key, '-', '+')
  else value = redis.call('GET', key) end
  all[#all + 1] = {string.sub(key, #KEYS[1] + 1), kind, value}
end
return all
""",
)

_TAKE_TOKEN = Script.of(
    "take_token",
    """
for _, queue in ipairs(ARGV) do
  if redis.call('LPOP', KEYS[1] .. 'wake:' .. queue) then return {queue} end
end
return {''}
""",
)

_OWN = re.compile(r"(\d+) (\d+) (\w+) \S+(?: (\S+) (\d+) (\d+) .*| empty| more)?")


@dataclass(frozen=True)
class Raw:
    """Every key of a namespace, at one moment of Redis's clock."""

    now_ms: int
    keys: dict[str, Any]

    def text(self, key: str) -> list[str]:
        return [value.decode() for value in self.keys.get(key, [])]

    def pairs(self, key: str) -> dict[str, str]:
        values = self.text(key)
        return dict(zip(values[::2], values[1::2], strict=True))

    def under(self, kind: str) -> dict[str, list[str]]:
        """Give the keys ``kind:name``, by name."""
        head = kind + ":"
        return {key[len(head) :]: self.text(key) for key in self.keys if key.startswith(head)}


def read(prefix: str) -> Operation[Raw]:
    return Operation(_READ, prefix, (), _raw)


def _raw(reply: Any) -> Raw:
    now_ms, *entries = reply
    return Raw(now_ms, {key.decode(): _ordered(kind, value) for key, kind, value in entries})


def take_token(prefix: str, queues: Iterable[str]) -> Operation[str]:
    """Take the first token that lies there, as a runner does that sleeps; tells its queue."""
    return Operation(_TAKE_TOKEN, prefix, tuple(queues), lambda reply: bytes(reply[0]).decode())


def _ordered(kind: bytes, value: Any) -> Any:
    """Bring what has no order into one, so that the same contents are equal."""
    if kind == b"set":
        return sorted(value)
    if kind == b"hash":
        pairs = sorted(zip(value[::2], value[1::2], strict=True))
        return [part for pair in pairs for part in pair]
    return value


def expire(raw: Any, prefix: str, job_id: str) -> None:
    """Let a job's expiry come."""
    head, _, payload = raw.hget(prefix + "jobs", job_id).partition(b"\n")
    parts = head.split(b" ")
    parts[11] = b"1"
    raw.hset(prefix + "jobs", job_id, b" ".join(parts) + b"\n" + payload)


def set_due(raw: Any, prefix: str, queue: str, job_id: str, score: float) -> None:
    """Let a scheduled job be due at this time, and be looked for where its queue already is."""
    raw.zadd(f"{prefix}scheduled:{queue}", {job_id: score}, xx=True)
    raw.zadd(f"{prefix}due", {queue: score}, xx=True, lt=True)


def scores(seen: Raw) -> dict[str, float]:
    """Tell when each scheduled job is due."""
    found: dict[str, float] = {}
    for values in seen.under("scheduled").values():
        found |= zip(values[::2], map(float, values[1::2]), strict=True)
    return found


def in_redis(seen: Raw) -> dict[str, Any]:
    """Tell what Redis holds, in the words of ``in_model``."""
    own = {slot: _own(text) for slot, text in seen.pairs("own").items()}
    running = {held[3]: held[4] for held in own.values() if held[2] == "held"}
    packed = dict(zip(seen.text("jobs")[::2], seen.keys.get("jobs", [])[1::2], strict=True))
    counts: Counter[tuple[str, str]] = Counter()
    for what in ("enqueued", "succeeded", "discarded"):
        counts.update({(what, q): int(n) for q, n in seen.pairs(what).items()})
    finished = {name: _finished(seen.text(name)) for name in ("finished", "finished:old")}
    return {
        "jobs": {i: _packed(value, running.get(i)) for i, value in packed.items()},
        "ready": {q: ids[::-1] for q, ids in _waiting(seen).items()},
        "paused": sorted(_marked(seen, "paused")),
        "awake": sorted(_marked(seen, "awake")),
        "held": list(seen.pairs("held")),
        "crashing": list(map(int, seen.pairs("crashing").values())),
        "parked": seen.under("parked").get(NAME, []),
        "next due": {q: float(ids[1]) for q, ids in seen.under("scheduled").items()},
        "due": {q: float(due) for q, due in seen.pairs("due").items()},
        "scheduled": {i: due <= seen.now_ms for i, due in scores(seen).items()},
        "dead": sorted(i for values in seen.under("dead").values() for i in values[::2]),
        "slots": {slot: held[:4] for slot, held in own.items()},
        "deaths": {slot: int(text.split(" ")[0]) for slot, text in seen.pairs("deaths").items()},
        "tokens": {q: len(tokens) for q, tokens in seen.under("wake").items()},
        "counts": counts,
        "finished": finished["finished"],
        "finished before": finished["finished:old"],
        "records": [_record(entry) for entry in seen.keys.get("crashes", [])],
        "supervisors": {s: int(v.split(" ")[0]) for s, v in seen.pairs("supervisors").items()},
        "retired": sorted(seen.text("retired")[::2]),
        "histories": {i: [_note(v) for v in lines] for i, lines in seen.under("history").items()},
    }


def in_model(model: Model) -> dict[str, Any]:
    """Tell what Redis should hold."""

    def those(state: str) -> dict[str, Job]:
        return {i: job for i, job in model.jobs.items() if job.state == state}

    return {
        "jobs": {
            i: (j.queue, j.attempts, j.crashes, j.losses, j.fence, j.max_attempts)
            for i, j in model.jobs.items()
        },
        "ready": {queue: ids for queue, ids in model.ready.items() if ids},
        "paused": sorted(model.paused),
        "held": [NAME] if model.held else [],
        "crashing": [model.crashing] if model.crashing else [],
        "parked": model.parked,
        "scheduled": {i: job.due for i, job in those("scheduled").items()},
        "dead": sorted(those("dead")),
        "slots": {k: (p.incarnation, p.seq, p.word, p.job_id) for k, p in model.places.items()},
        "deaths": {key: incarnation for key, (incarnation, _) in model.deaths.items()},
        "tokens": dict.fromkeys(model.tokens, 1),
        "counts": model.counts,
        "finished": model.finished,
        "finished before": model.finished_before,
        "records": [
            (death_id(key, incarnation), job_id, disposition)
            for key, incarnation, job_id, disposition in model.records
        ],
        "supervisors": model.supervisors,
        "retired": sorted(model.retired),
        "histories": {i: job.history for i, job in model.jobs.items() if job.history},
    }


def difference(seen: dict[str, Any], expected: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Give what differs: (in Redis, in the model) each."""
    return {key: (seen[key], expected[key]) for key in expected if seen[key] != expected[key]}


def _marked(seen: Raw, word: str) -> set[str]:
    return {queue for queue, marked in seen.pairs("queues").items() if marked == word}


def _waiting(seen: Raw) -> dict[str, list[str]]:
    """Find what is ready, a paused queue's in the list of its own."""
    paused = _marked(seen, "paused")
    assert seen.under("paused").keys() <= paused
    assert not seen.under("ready").keys() & paused
    return seen.under("ready") | seen.under("paused")


def _own(text: str) -> tuple[int, int, str, str, int]:
    match = _OWN.fullmatch(text)
    assert match, f"no slot reads like this: {text!r}"
    incarnation, seq, word, job_id, fence, _ = match.groups()
    return int(incarnation), int(seq), word, job_id or "", int(fence or 0)


def _packed(value: bytes, fence: int | None) -> tuple[str, int, int, int, int, int] | None:
    job = unpack(value)
    if job is None:
        return None
    known = job.fence if fence is None else fence
    return job.queue, job.attempts, job.crashes, job.losses, known, job.max_attempts


def _finished(ids: list[str]) -> dict[str, str]:
    given_up = {value[1:] for value in ids if value.startswith(" ")}
    plain = [value for value in ids if not value.startswith(" ")]
    return {i: "discarded" if i in given_up else "succeeded" for i in plain}


def _record(entry: list[Any]) -> tuple[str, str | None, str]:
    values = [value.decode() for value in entry[1]]
    fields = dict(zip(values[::2], values[1::2], strict=True))
    return fields["crash_id"], fields["job_id"] or None, fields["disposition"]


def _note(line: str) -> tuple[str, int, int]:
    _, what, attempt, fence, _ = line.split(" ", 4)
    return what, int(attempt), int(fence)
