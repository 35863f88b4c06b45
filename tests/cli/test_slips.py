"""Words that are no verbs, stray words, names that nobody knows: what ``horus`` says to them."""

from __future__ import annotations

import socket
import subprocess
import threading

import pytest

from horus_supervisor.cli.main import VERBS
from horus_supervisor.cli.meant import MEANT
from tests.support.horus import COMMAND, Horus, Scene, environment


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("reload", "systemctl reload horus, or kill -HUP the pid of horus-supervisor"),
        ("start", "horus-supervisor -c 'my file.toml'"),
        ("queues", "horus -c 'my file.toml' status"),
        ("worker", "horus-supervisor -c 'my file.toml'; here: horus -c 'my file.toml' work"),
        ("list", "horus -c 'my file.toml' jobs"),
        ("cancel", "horus -c 'my file.toml' discard ID"),
        ("requeue", "horus -c 'my file.toml' retry ID"),
        ("crahs", "horus -c 'my file.toml' crash"),
        ("Jobs", "horus -c 'my file.toml' jobs"),
        ("frobnicate", "horus --help"),
    ],
)
def test_a_word_of_other_tools_leads_to_what_is_meant(typed: str, hint: str) -> None:
    told = Horus.bare("-c", "my file.toml", typed, code=2).stderr
    assert told == f"horus: there is no verb {typed!r}\n  try: {hint}\n"


def test_a_word_of_other_tools_leads_to_the_same_jobs_but_repeats_no_password() -> None:
    for url, where in (
        ("redis://h:1", "redis://h:1"),
        ("redis://:secret@h:1", "URL"),
        ("redis://:sec/ret@h:1", "URL"),
    ):
        told = Horus.bare("--url", url, "--namespace", "n", "queues", code=2).stderr
        assert told.endswith(f"\n  try: horus --url {where} --namespace n status\n")


def test_no_word_of_other_tools_is_a_verb_of_ours() -> None:
    words = [word for group in MEANT for word in group.split()]
    assert len(words) == len(set(words))
    assert not set(words) & VERBS.keys()


def test_a_shell_that_is_not_named_is_asked_for() -> None:
    told = Horus.bare("completion", code=2).stderr.splitlines()
    assert told[0] == "horus: completion for which shell? bash, zsh and fish are known"
    assert told[1].startswith('  try: eval "$(horus completion bash)" in ~/.bashrc')
    assert '"$(horus completion zsh)" in ~/.zshrc' in told[1]
    assert "no completion for 'tcsh'" in Horus.bare("completion", "tcsh", code=2).stderr


def test_a_full_disk_is_told_in_words(horus: Horus, scene: Scene) -> None:
    scene.add("a")
    command = [*COMMAND, *horus.where, "jobs"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=20
        )
    assert done.stderr.splitlines()[0] == b"horus: No space left on device"
    assert b"Traceback" not in done.stderr


def test_a_queue_that_nobody_knows_is_told_where_nothing_is_found(
    horus: Horus, scene: Scene
) -> None:
    scene.fall("d", 1)
    for verb, nothing in (("jobs", "no such jobs"), ("dead", "no dead jobs")):
        told = horus(verb, "-q", "emials").stdout
        assert told == f"{nothing}: there is no queue 'emials'; did you mean emails?\n"
    assert horus("jobs", "-q", "emails", "--state", "ready").stdout == "no such jobs\n"
    for words in (("retry",), ("retry", "--dry-run"), ("discard", "--yes")):
        none = "no such dead jobs"
        told = horus(*words, "--all", "-q", "emials").stdout
        assert told == f"{none}: there is no queue 'emials'; did you mean emails?\n"
        told = horus(*words, "--job", "Mial", "-q", "emails").stdout
        assert told == f"{none}\nNext: {horus.again} dead\n"


def test_a_server_that_is_no_redis_or_has_no_such_database_is_no_matter_of_users(
    redis_url: str,
) -> None:
    told = Horus.bare("--url", f"{redis_url}?db=9999", "jobs", code=1).stderr
    assert "DB index is out of range" in told
    assert told.endswith(" doctor\n")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1)
                client.sendall(b"HTTP/1.1 400 Bad Request")

        for credentials in ("", ":secret@"):  # told as the connection is made, too
            other = threading.Thread(target=answer)
            other.start()
            url = f"redis://{credentials}127.0.0.1:{server.getsockname()[1]}"
            assert "another URL" in Horus.bare("--url", url, "jobs", code=5).stderr
            other.join()
