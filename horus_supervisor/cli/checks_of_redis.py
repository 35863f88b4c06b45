"""Is this Redis fit to keep jobs? Pure: what INFO told in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from horus_supervisor.cli.findings import Finding, error, ok, warning
from horus_supervisor.cli.output import count, size
from horus_supervisor.embedded import OLDEST

Info = Mapping[str, str]

FULL = 0.85
"""So much of its memory taken is worth a word."""

AHEAD_S = 1.0
"""A clock that differs by less is the network's doing, or nobody's trouble."""

SLOW_S = 0.05


def look(info: Info) -> Iterator[Finding]:
    """Judge what a server tells of itself."""
    yield _version(info)
    yield _role(info)
    yield _policy(info)
    yield from _persistence(info)
    yield _memory(info)


def _version(info: Info) -> Finding:
    valkey = info.get("valkey_version")
    version, name = valkey or info.get("redis_version", "?"), "Valkey" if valkey else "Redis"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        why = "scripts need 7.0 or newer"
        return error("version", f"{name} {version} is too old", why, "upgrade it to 7.0 or newer")
    return ok("version", f"{name} {version}")


def _role(info: Info) -> Finding:
    if info.get("role", "master") == "master":
        replicas = int(info.get("connected_slaves", 0))
        return ok("role", f"primary with {count(replicas, 'replica')}")
    primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
    why = "a replica takes no writes: nothing can be enqueued, claimed or finished"
    return error("role", f"this is a replica of {primary}", why, f"set [redis] url to {primary}")


def _policy(info: Info) -> Finding:
    policy, evicted = info.get("maxmemory_policy", "?"), int(info.get("evicted_keys", 0))
    change = "redis-cli -u URL CONFIG SET maxmemory-policy noeviction, and in redis.conf"
    if policy == "noeviction":
        return ok("policy", "nothing is evicted")
    if policy.startswith("volatile-"):
        return ok("policy", f"{policy}: evicts what has an expiry, and no job has")
    if policy == "?":
        return warning("policy", "not told", "one of allkeys- loses jobs", "look it up")
    why = "at maxmemory Redis throws away jobs, silently"
    if evicted:
        return error("policy", f"{policy}, and {evicted:,} keys were evicted", why, change)
    return error("policy", f"maxmemory-policy is {policy}", why, change)


def _persistence(info: Info) -> Iterator[Finding]:
    if info.get("aof_enabled") == "1":
        if info.get("aof_last_write_status", "ok") != "ok":
            why = "Redis refuses all writes until it can write its file again"
            yield error("persistence", "the append-only file can't be written", why, "df -h")
        else:
            yield ok("persistence", "append-only file")
    else:
        why = "jobs since the last snapshot are lost when Redis ends"
        change = "redis-cli -u URL CONFIG SET appendonly yes, and in redis.conf"
        yield warning("persistence", "no append-only file", why, change)
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        why = "unless stop-writes-on-bgsave-error is off, Redis refuses all writes"
        yield error("persistence", "the last snapshot failed", why, "df -h, and Redis's log")


def _memory(info: Info) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    total = int(info.get("total_system_memory", 0))
    limit = most or total
    text = f"{size(used)} of {size(limit)}" if limit else size(used)
    whose = "maxmemory" if most else "the host's, as there is no maxmemory"
    if limit and used >= FULL * limit:
        why = (
            "at maxmemory enqueue fails; what waits still drains"
            if most
            else "the kernel kills Redis when the host has no more"
        )
        return warning("memory", f"{text} ({whose})", why, "horus status: is a queue stuck?")
    return ok("memory", f"{text} ({whose})" if limit else text)


def clock(ahead_s: float, round_trip_s: float) -> Iterator[Finding]:
    """Judge this host's clock against Redis's, and how long Redis takes to answer."""
    if abs(ahead_s) >= AHEAD_S + round_trip_s:
        way = "ahead of" if ahead_s > 0 else "behind"
        what = f"this host's clock is {abs(ahead_s):.1f} s {way} Redis's"
        why = "no job is lost by it, but times in the log, and `at=`, are off"
        yield warning("clock", what, why, "timedatectl")
    else:
        yield ok("clock", f"within {abs(ahead_s) + round_trip_s:.3f} s of Redis's")
    if round_trip_s >= SLOW_S:
        what = f"Redis takes {round_trip_s * 1000:.0f} ms to answer"
        why = "each job costs a runner one such round trip"
        yield warning("round trip", what, why, "redis-cli -u URL --latency; SLOWLOG GET")
    else:
        yield ok("round trip", f"{round_trip_s * 1000:.1f} ms")
