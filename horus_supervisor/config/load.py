from __future__ import annotations
import tomllib
from pathlib import Path
from .schema import *
def load(path): return parse(Path(path).read_text(), Path(path))
def parse(text, file):
    d = tomllib.loads(text); b = file.resolve().parent
    s = d.get("supervisor", {})
    def dur(v): return float(v.rstrip("ms")) / (1000 if v.endswith("ms") else 1)
    g = [GroupConfig(q, (q,), n) for q, n in d.get("queues", {}).items()]
    for n, v in d.get("groups", {}).items():
        kw = {k+"_s": dur(v[k]) for k in ("job_timeout","kill_after","crash_delay") if k in v}
        kw |= {k: v[k] for k in ("max_jobs","max_crashes") if k in v}
        if "max_memory" in v: kw["max_memory"] = int(v["max_memory"].removesuffix("MiB"))<<20
        g.append(GroupConfig(n, tuple(v["queues"]), v["runners"], **kw))
    kw = {k+"_s": dur(s[k]) for k in ("shutdown_timeout","lease") if k in s}
    return Config(file.resolve(), RedisConfig(d["redis"]["url"], d["redis"].get("namespace","horus")), SupervisorConfig(tuple(s["imports"]), tuple(b/p for p in s["path"]), b/s["state_dir"], **kw), tuple(g), LogConfig(**d.get("log",{})))
