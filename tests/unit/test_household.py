"""What a job changed in its process is put back, also where something of it can't be."""

from __future__ import annotations

import resource
import subprocess
import sys

from horus_supervisor.runner.limits import Limits

NICE = """
import os, resource, signal
from horus_supervisor.runner import household, limits

limits.notice_changes()
home = household.Household()
home.note()
os.nice(3)
os.umask(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
if os.geteuid() == 0:
    os.seteuid(65534)  # else root could
resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
told = home.restore()
assert told and "PermissionError" in told, told
print(oct(os.umask(0o22)), signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""


def test_what_can_not_be_put_back_holds_nothing_else_up() -> None:
    command = [sys.executable, "-c", NICE]
    run = subprocess.run(command, umask=0o27, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("0o27 True\n", "")


UNBIND = """
import os, resource
from horus_supervisor.runner import household, limits

limits.notice_changes()
home = household.Household()
home.note()
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 99))
os.umask(0o777)
assert home.unbind() is None
print(oct(os.umask(0o22)), os.close(os.open(".", os.O_RDONLY)))
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 99))
os.umask = None
print(home.unbind().rpartition(": ")[2], os.close(os.open(".", os.O_RDONLY)))
"""


def test_a_job_holds_up_neither_a_connection_nor_a_file_that_its_end_is_kept_in() -> None:
    command = [sys.executable, "-c", UNBIND.replace("99", str(hard_files()))]
    run = subprocess.run(command, umask=0o27, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("0o27 None\n'NoneType' object is not callable None\n", "")


def hard_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def test_limits_are_put_back_where_no_call_is_wrapped() -> None:
    limits = Limits()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    limits.restore()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
    assert not hasattr(resource.setrlimit, "__wrapped__")
