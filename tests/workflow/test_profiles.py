"""What the cluster profiles ask for; tests/slurm and tests/kubernetes run them."""

import re
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, SMALL, changed


def snakemake(*words):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def settings(profile):
    return yaml.safe_load((ROOT / "profiles" / profile / "config.yaml").read_text())


@pytest.fixture(scope="module")
def rules():
    listed = snakemake("--list-rules", "--workflow-profile", "none").splitlines()
    return {line.strip() for line in listed}


SIXTEEN_BY_SLURM = {"train.is_distributed": 1, "train.group_size": 16, "train.host_launcher": "slurm"}


@pytest.mark.parametrize("profile", ["slurm", "kubernetes"])
def test_profiles_name_no_stage(rules, profile):
    """Threads, memory and hours of a stage are in its rule, where a new stage gives its own."""
    text = (ROOT / "profiles" / profile / "config.yaml").read_text()
    assert not {rule for rule in rules - {"all"} if re.search(rf"^ *{rule}:", text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("changes", "train", "eval_coco", "more"),
    [
        ({}, "", "", []),
        ({"device_target": "GPU", "train.is_distributed": 1, "train.group_size": 8}, "gpu=8", "gpu=1", []),
        ({"device_target": "GPU", "train.is_distributed": 0}, "gpu=1", "gpu=1", []),
        ({"device_target": "Ascend", "train.is_distributed": 1, "train.group_size": 4}, "gres=npu:4", "gres=npu:1", []),
        # The second host is started by ssh, outside of the job.
        (
            {"device_target": "GPU", "train.is_distributed": 1, "train.group_size": 16, "train.hosts": "a,b"},
            "gpu=8",
            "gpu=1",
            [],
        ),
        # One job over two hosts: GPUs are asked for in all, NPUs on each.
        ({"device_target": "GPU", **SIXTEEN_BY_SLURM}, "gpu=16", "gpu=1", ["--set-resources", "train:nodes=2"]),
        (
            {"device_target": "Ascend", **SIXTEEN_BY_SLURM},
            "gres=npu:8",
            "gres=npu:1",
            ["--set-resources", "train:nodes=2"],
        ),
    ],
)
def test_slurm_is_asked_for_the_devices_of_the_config(tmp_path, changes, train, eval_coco, more):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(changed(SMALL, changes)))
    profile = ROOT / "profiles" / "slurm"
    printed = snakemake(
        *("--dry-run", "eval_coco", "--workflow-profile", profile, "--directory", tmp_path, "--configfile", config),
        *more,
    )
    asked, memory = {}, {}
    for line in printed.splitlines():
        if found := re.match(r" *rule (\w+):$", line):
            rule = found[1]
        elif line.strip().startswith("resources:"):
            asked[rule] = re.findall(r"\b(?:gpu|gres)=[\w:]+", line)
            memory |= {rule: found[1]} if (found := re.search(r"\bmem_mb=(\d+)", line)) else {}
    assert asked["train"] == ([train] if train else [])
    assert asked["eval_coco"] == ([eval_coco] if eval_coco else [])
    assert asked["download_train"] == []
    assert (memory["train"], memory["eval_coco"]) == ("128000", "32000")
