"""Parts on other hosts, started by stand-ins for ssh and srun that run them here."""

import json
import logging
import os
import sys
import time
from pathlib import Path

import pytest

from yolov3.distributed.host_launchers import SshParts, part_words, run_srun, shell_text
from yolov3.distributed.run import DistributedSettings, run_distributed
from yolov3.errors import InputError

SHOW = "import json, os, sys; json.dump([os.getcwd(), sys.argv[1:], dict(os.environ)], open(sys.argv[1], 'w'))"
ODD_WORDS = ["two words", "it's", '"quoted"', "$HOME", "a;b|c&", "*", "", "größe", "back\\slash", "--lr=0.1"]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the real one: the last word is for a shell of the host, whose environment and folder are its own."""
    install(
        tmp_path / "tools",
        monkeypatch,
        "ssh",
        f'echo "$@" >> "{tmp_path}/calls"\nwhile [ $# -gt 2 ]; do shift; done\n'
        '[ "$1" = gone ] && { echo "ssh: connect to host gone port 22: No route to host" >&2; exit 255; }\n'
        'cd / && exec env -i sh -c "$2"',
    )


@pytest.mark.usefixtures("ssh")
def test_ssh_keeps_words_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Läufe von heute"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ASCEND_HOME_PATH", "/opt/my cann")
    monkeypatch.setenv("OTHER", "stays here")
    shown = tmp_path / "shown.json"
    log = tmp_path / "logs" / "part.log"
    with SshParts({"b": [sys.executable, "-c", SHOW, str(shown), *ODD_WORDS]}, {"b": log}) as parts:
        parts.wait(lambda: None)
    cwd, words, environment = json.loads(shown.read_text())
    assert cwd == str(folder)
    assert words == [str(shown), *ODD_WORDS]
    assert environment["ASCEND_HOME_PATH"] == "/opt/my cann"
    assert environment["PATH"] == os.environ["PATH"]
    assert "OTHER" not in environment
    assert "BatchMode=yes" in (tmp_path / "calls").read_text()


@pytest.mark.usefixtures("ssh")
def test_an_unreachable_host_is_named_with_what_ssh_says(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    with (
        pytest.raises(InputError, match=r"host gone failed to run its part .*No route to host"),
        SshParts({"gone": ["true"]}, {"gone": log}) as parts,
    ):
        parts.wait(lambda: None)


@pytest.mark.usefixtures("ssh")
def test_what_a_part_told_comes_before_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"^the disk is full$"),
        SshParts({"b": ["false"]}, {"b": tmp_path / "part.log"}) as parts,
    ):
        parts.wait(lambda: "the disk is full")


@pytest.mark.usefixtures("ssh")
def test_parts_that_do_not_end_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yolov3.distributed.host_launchers.PART_GRACE_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), SshParts({"b": ["sleep", "600"]}, {"b": tmp_path / "part.log"}) as parts:
        raise KeyboardInterrupt
    assert parts.parts["b"].poll() is not None
    assert time.monotonic() - started < 60


def test_a_missing_ssh_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="ssh is not installed"), SshParts({"b": ["true"]}, {"b": tmp_path / "log"}):
        pass


def test_print_says_the_command_of_each_other_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("yolov3.distributed.run.run_workers", lambda *_: None)
    monkeypatch.setattr("yolov3.distributed.run.host_number", lambda _: 0)
    folder = tmp_path / "my run"
    folder.mkdir()
    monkeypatch.chdir(folder)
    settings = DistributedSettings("CPU", 2, "198.51.100.1,198.51.100.2", "print", 8118, 300)
    with caplog.at_level(logging.INFO):
        run_distributed(["/code of ours/train.py", "--lr", "0.1"], settings, tmp_path)
    said = next(record.getMessage() for record in caplog.records if "now run on 198.51.100.2" in record.getMessage())
    assert said.splitlines()[1] == (
        f"cd '{folder}' && {sys.executable} '/code of ours/train.py' --lr 0.1 --log_file '' --node_rank 1"
    )


def test_one_srun_runs_a_part_on_each_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        tmp_path / "tools",
        monkeypatch,
        "srun",
        f'echo "$@" > "{tmp_path}/call"\n'
        'while [ "${1#--}" != "$1" ]; do shift; done\n'
        'for node in 0 1; do SLURM_NODEID=$node "$@" & pids="$pids $!"; done\nfor pid in $pids; do wait $pid; done',
    )
    script = tmp_path / "show it.py"
    script.write_text(
        "import os, sys; from pathlib import Path; "
        "Path(sys.argv[1] + os.environ['SLURM_NODEID']).write_text('\\n'.join(sys.argv[2:]))"
    )
    run_srun(part_words([str(script), str(tmp_path / "part "), *ODD_WORDS], "slurm"), 2, lambda: None)
    for node in (0, 1):
        written = (tmp_path / f"part {node}").read_text(encoding="utf-8").split("\n")
        assert written == [*ODD_WORDS, "--log_file", "", "--node_rank", "slurm"]
    options = (tmp_path / "call").read_text().split()
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1"} <= set(options)


def test_a_failed_srun_gives_the_sentence_of_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "tools", monkeypatch, "srun", "exit 3")
    with pytest.raises(InputError, match=r"^out of memory$"):
        run_srun(["true"], 2, lambda: "out of memory")
    with pytest.raises(InputError, match="srun ended with code 3"):
        run_srun(["true"], 2, lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="srun is not installed"):
        run_srun(["true"], 2, lambda: None)


def test_shell_text_without_an_environment_is_for_people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shell_text(["train.py", "--lr", "0.1"]) == f"cd {tmp_path} && train.py --lr 0.1"
