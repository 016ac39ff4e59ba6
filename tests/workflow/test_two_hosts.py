"""Training over two hosts: equal weights, the parts started by hand and by ssh, and how a run ends and goes on."""

import csv
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SMALL, changed
from two_hosts import ADDRESSES, FAKE_SCONTROL, FAKE_SRUN, FAKE_SSH, end_host, two_namespaces, worker_of

from yolov3.config.config import complete_config
from yolov3.config.options import option_words

HOSTS = ",".join(ADDRESSES)
STEP_DIGESTS = str(Path(__file__).with_name("step_digests.py"))
TRAIN = str(ROOT / "workflow" / "scripts" / "train.py")


@pytest.fixture(scope="module")
def namespaces():
    with two_namespaces() as names:
        yield names


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with a space in its name, with a data set of 24 images and its manifest."""
    folder = tmp_path_factory.mktemp("shared disk")
    words = shlex.split(option_words({**SMALL["shapes"], "data_dir": "images", "provider": "shapes"}))
    script = str(ROOT / "workflow" / "scripts" / "download.py")
    subprocess.run([sys.executable, script, *words, "--manifest", "manifest.json"], cwd=folder, check=True)
    return folder


def on_host(name, words, cwd, **environment):
    return subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, *words],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def tools(folder, **texts):
    """Install stand-ins for programs and return the PATH with them."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def training(output, **changes):
    values = {
        "is_distributed": 1,
        "group_size": 2,
        "hosts": HOSTS,
        "per_batch_size": 4,
        "cluster_time_out": 60,
        "max_epoch": 200,
        "T_max": 200,
        **changes,
    }
    config = complete_config(changed(SMALL, {f"train.{key}": value for key, value in values.items()}))
    words = option_words({"seed": 3, "device_target": "CPU", **config["network"], **config["train"]})
    return [TRAIN, *shlex.split(words), "--manifest", "manifest.json", "--ckpt_path", str(output)]


def wait_for_steps(metrics, running, count=4):
    """Wait until a checkpoint has been written, and another step done."""
    deadline = time.monotonic() + 120
    while not metrics.exists() or len(metrics.read_text().splitlines()) < count + 1:
        assert all(process.poll() is None for process in running), [process.communicate()[0] for process in running]
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.long
def test_weights_are_equal_on_both_hosts_and_those_of_one_process(namespaces, tmp_path):
    words = [STEP_DIGESTS, str(tmp_path / "two"), "--hosts", HOSTS, "--group_size", "2"]
    parts = [on_host(name, words, tmp_path) for name in namespaces]
    printed = [part.communicate()[0] for part in parts]
    assert [part.returncode for part in parts] == [0, 0], printed
    first, second = (json.loads((tmp_path / "two" / f"rank_{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert len(set(first)) == 3

    subprocess.run([sys.executable, STEP_DIGESTS, str(tmp_path / "one")], check=True)
    one, two = np.load(tmp_path / "one" / "rank_0.npz"), np.load(tmp_path / "two" / "rank_0.npz")
    assert set(one.files) == set(two.files)
    for name in one.files:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-6, err_msg=name)
    assert (tmp_path / "two" / "workers" / "host_1" / "worker_1.log").exists()


@pytest.mark.slow
def test_ssh_starts_the_other_host_and_a_killed_worker_ends_both(namespaces, data, tmp_path):
    path = tools(tmp_path / "tools", ssh=FAKE_SSH.format(first=ADDRESSES[0], second=ADDRESSES[1], names=namespaces))
    output = data / "it's a run"
    words = training(output, host_launcher="ssh", max_epoch=8, T_max=8)

    running = on_host(namespaces[0], words, data, PATH=path)
    wait_for_steps(output / "checkpoints" / "metrics.csv", [running])
    worker_of(namespaces[1]).kill()
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 1, printed
    assert "a rank was killed by SIGKILL" in printed
    assert f"(host 1, {ADDRESSES[1]})" in printed
    assert "run the same command again to resume from the last checkpoint" in printed
    assert "Traceback" not in printed

    again = on_host(namespaces[0], words, data, PATH=path)
    printed, _ = again.communicate(timeout=120)
    assert again.returncode == 0, printed
    assert "resuming from" in printed
    with (output / "metrics.csv").open(newline="") as stream:
        assert [int(row["iter"]) for row in csv.DictReader(stream)] == list(range(24))


@pytest.mark.slow
def test_srun_starts_both_hosts(namespaces, data, tmp_path):
    addresses = dict(zip(("first", "second"), ADDRESSES, strict=True))
    path = tools(
        tmp_path / "tools", srun=FAKE_SRUN.format(names=namespaces), scontrol=FAKE_SCONTROL.format(**addresses)
    )
    output = data / "by srun"
    words = training(output, hosts="", host_launcher="slurm", max_epoch=2, T_max=2)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=data,
        env={**os.environ, "PATH": path, "SLURM_JOB_NODELIST": "node[1-2]"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((output / "train.json").read_text())["workers"] == 2
    assert (output / "workers" / "host_1" / "worker_1.log").exists()


def test_a_host_that_ssh_does_not_reach(namespaces, data, tmp_path):
    path = tools(tmp_path / "tools", ssh=FAKE_SSH.format(first="-", second="-", names=namespaces))
    words = training(tmp_path / "run", host_launcher="ssh")
    part = on_host(namespaces[0], words, data, PATH=path)
    printed, _ = part.communicate(timeout=60)
    assert part.returncode == 1
    assert f"host {ADDRESSES[1]} failed to run its part (ssh: no route to host {ADDRESSES[1]})" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "sentence"),
    [(1, "rank 1 no longer responds"), (0, "the first host no longer responds")],
)
def test_a_dead_host_ends_the_other_and_both_go_on(namespaces, data, tmp_path, lost, sentence):
    words = training(tmp_path / "run", max_epoch=8, T_max=8)
    # Half a minute by default.
    parts = [on_host(name, words, data, MS_NODE_TIMEOUT="10") for name in namespaces]
    wait_for_steps(tmp_path / "run" / "checkpoints" / "metrics.csv", parts)
    end_host(namespaces[lost])
    printed, _ = parts[1 - lost].communicate(timeout=90)
    assert parts[1 - lost].returncode == 1
    assert sentence in printed
    assert "run the same command again to resume from the last checkpoint" in printed
    assert "Traceback" not in printed.splitlines()[-1]
    parts[lost].communicate()

    again = [on_host(name, words, data) for name in namespaces]
    printed = [part.communicate(timeout=120)[0] for part in again]
    assert [part.returncode for part in again] == [0, 0], printed
    assert "resuming from" in printed[0]
    with (tmp_path / "run" / "metrics.csv").open(newline="") as stream:
        assert [int(row["iter"]) for row in csv.DictReader(stream)] == list(range(24))
