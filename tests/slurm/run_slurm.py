#!/usr/bin/env python
"""Run the workflow by profiles/slurm on a Slurm cluster of this one host, made for the run and gone after it.

Slurm and munge are installed from Debian's packages if they are missing, which needs root; munged, slurmctld and slurmd
then run as the caller from a scratch folder. Not a part of the tests that pytest finds.

    python tests/slurm/run_slurm.py                       # a few images and one epoch
    python tests/slurm/run_slurm.py config/config.yaml    # the embedded default
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from one_host_cluster import OneHostCluster

from yolov3.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
# The stages that must have been jobs, and those that must not.
JOBS = {"eval_coco", "export", "preprocess_bins", "post_quant", "infer_310", "quant_infer_310"}
LOCAL = {"download_train", "mslite_runtime", "report"}
RESULTS = ("train/yolov3.ckpt", "export/export.json", "quant/quant.json", "report/report.html")
METRICS = ("eval_coco", "infer_310", "quant_infer_310")
SUBMITTED = re.compile(r"submitted with SLURM jobid (\d+) \(log: .*?/(?:rule|group)_(\w+)/")


def main(argv: list[str] | None = None) -> int:
    """Run the workflow, then check which stages were jobs, that Slurm saw them succeed, and their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configfile", nargs="?", type=Path, default=Path(__file__).with_name("small.yaml"))
    parser.add_argument("--directory", type=Path, help="folder to run in and to keep; else one that is removed")
    arguments = parser.parse_args(argv)
    # A cluster must not outlive a script that is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        install_slurm()
        with tempfile.TemporaryDirectory(prefix="slurm") as scratch:
            folder = (arguments.directory or Path(scratch) / "run").resolve()
            with OneHostCluster(Path(scratch)) as cluster:
                jobs = run_workflow(arguments.configfile.resolve(), folder, cluster.environment)
                states = cluster.finished_jobs()
            check(jobs, states, folder)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def install_slurm() -> None:
    """Install Slurm from Debian's packages unless it is there."""
    # Daemons are in sbin, which is not on every user's path.
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin{os.pathsep}/sbin"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise InputError(f"{', '.join(missing)} not found: install {' and '.join(PACKAGES)} as root first")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES], env=environment, check=True
    )


def run_workflow(configfile: Path, folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run the report target by the Slurm profile; return the Slurm job of each stage that was one."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "snakemake", "report", "--workflow-profile", ROOT / "profiles" / "slurm"),
        *("--snakefile", ROOT / "Snakefile", "--directory", folder, "--configfile", configfile),
    ]
    jobs = {}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                if found := SUBMITTED.search(line):
                    jobs[found[2]] = found[1]
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
    if process.returncode != 0:
        # Those of jobs that succeeded are gone.
        for log in sorted((folder / "logs" / "slurm").rglob("*.log")):
            print(f"{log}:\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise InputError(f"Snakemake ended with {process.returncode}: its messages are above")
    return jobs


def check(jobs: dict[str, str], states: dict[str, str], folder: Path) -> None:
    """Compare what ran, and how it ended, with what was to run; print it."""
    for rule, job in jobs.items():
        print(f"{rule}: Slurm job {job}, {states.get(job, 'not recorded')}")
    problems = [f"{rule} was not a Slurm job" for rule in sorted(JOBS - set(jobs))]
    problems += [f"{rule} was a Slurm job" for rule in sorted(LOCAL & set(jobs))]
    # A distributed training is a group of rank_table and train.
    problems += [] if any(name.startswith("train") for name in jobs) else ["train was not a Slurm job"]
    problems += [
        f"Slurm job {job} of {rule} did not complete" for rule, job in jobs.items() if states.get(job) != "COMPLETED"
    ]
    results = folder / "results"
    problems += [f"results/{name} is missing" for name in RESULTS if not (results / name).is_file()]
    if problems:
        raise InputError("; ".join(problems))
    for name in METRICS:
        metrics = json.loads((results / name / "metrics.json").read_text())
        print(f"{name}: AP {metrics['AP']:.3f}, AP50 {metrics['AP50']:.3f}")


if __name__ == "__main__":
    sys.exit(main())
