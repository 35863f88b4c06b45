"""Who this service is, and what its processes and heartbeats are told of it."""

from __future__ import annotations

import os
import pwd
import socket

from horus_supervisor import __version__, messages
from horus_supervisor.config.schema import Config
from horus_supervisor.messages import Identity
from horus_supervisor.supervisor.programs import Template
from horus_supervisor.supervisor.standing import Standing


def identity(config: Config) -> Identity:
    """Take a supervisor id that was never used before."""
    return Identity(
        service=config.log.service,
        host=socket.gethostname(),
        supervisor=os.urandom(6).hex(),
        level=config.log.level,
        args=config.log.args,
    )


def rights() -> dict[str, str]:
    """Tell as whom we run, and what is kept from others of the files that we and jobs make."""
    umask = os.umask(0o077)  # there is no call that only reads it
    os.umask(umask)
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container a user may have no name
        user = str(os.geteuid())
    return {"user": user, "umask": f"{umask:04o}"}


def template(config: Config) -> messages.Boot:
    """Tell the template what to import, and its runners where Redis is."""
    supervisor = config.supervisor
    return messages.Boot(
        path=[str(path) for path in supervisor.path],
        imports=list(supervisor.imports),
        redis_url=config.redis.url,
        namespace=config.redis.namespace,
        spool=str(supervisor.spool),
        max_payload_bytes=supervisor.max_payload_bytes,
        supervisor_pid=os.getpid(),
    )


def keeper(
    config: Config, identity: Identity, facts: dict[str, object], leftovers: list[str]
) -> messages.KeeperBoot:
    """Tell a keeper where Redis is, and whose lease it keeps."""
    return messages.KeeperBoot(
        redis_url=config.redis.url,
        namespace=config.redis.namespace,
        identity=identity,
        lease_s=config.supervisor.lease_s,
        spool=str(config.supervisor.spool),
        facts=facts,
        leftovers=leftovers,
    )


def facts(
    config: Config,
    identity: Identity,
    standing: Standing,
    template: Template,
    runners: list[dict[str, object]],
    code: str,
) -> dict[str, object]:
    """Tell what ``horus status`` and ``horus doctor`` show of this host.

    ``template`` is the one in force; it may not have told yet what it imports. ``code``: what all
    runners run, nothing while they differ: a class that is held for other code is tried with it.
    """
    return {
        "host": identity.host,
        "pid": os.getpid(),
        "version": __version__,
        "app_version": template.app_version,
        "code": code,
        "started_at": standing.started_at,
        "groups": {group.name: group.runners for group in config.groups},
        "jobs": template.jobs,
        "queues": sorted({queue for group in config.groups for queue in group.queues}),
        "runners": runners,
        **standing.facts,
    }
