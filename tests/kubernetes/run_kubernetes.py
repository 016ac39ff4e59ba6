#!/usr/bin/env python
"""Run the workflow by profiles/kubernetes on a stand-in for a cluster's API, whose pods are processes of this host.

It shows that the profile, the storage and the jobs' command lines work together, not that a cluster takes them. Needs
envs/kubernetes.lock and rsync. Not a part of the tests that pytest finds.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from stand_in_api import StandInCluster

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "tests" / "slurm" / "small.yaml"
RESULTS = ("train/yolov3.ckpt", "eval_coco/metrics.json", "quant_infer_310/metrics.json", "report/report.html")


def main(argv: list[str] | None = None) -> int:
    """Run the whole pipeline in pods, then look at what the pod of a training on eight GPUs asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configfile", nargs="?", type=Path, default=SMALL)
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="kubernetes") as scratch:
        problems = [
            *run_pods(arguments.configfile.resolve(), Path(scratch) / "run"),
            *ask_for_gpus(Path(scratch) / "gpus"),
        ]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def run_pods(configfile: Path, folder: Path) -> list[str]:
    """Run the report target; return what went wrong."""
    folder.mkdir()
    with StandInCluster(folder) as cluster:
        code = snakemake("report", configfile, folder, cluster)
        if code != 0:
            print(*(log.read_text(errors="replace")[-3000:] for log in folder.glob("*.log")), sep="\n", file=sys.stderr)
            return [f"Snakemake ended with {code}: its messages and the pods' are above"]
        print(f"{len(cluster.jobs)} pods ran")
    results = folder / "volume" / "storage" / "results"
    return [f"results/{name} is missing in the storage" for name in RESULTS if not (results / name).is_file()]


def ask_for_gpus(folder: Path) -> list[str]:
    """Submit a training on eight GPUs and look at the pod; return what is wrong with it."""
    folder.mkdir()
    config = yaml.safe_load(SMALL.read_text())
    config["device_target"] = "GPU"
    config["train"] |= {"is_distributed": 1, "group_size": 8}
    (folder / "gpu.yaml").write_text(yaml.safe_dump(config))
    with StandInCluster(folder, runs_pods=False) as cluster:
        snakemake("train", folder / "gpu.yaml", folder, cluster)
    if len(cluster.jobs) != 1:
        return [f"a training on GPUs is one pod, but {len(cluster.jobs)} were asked for"]
    pod = next(iter(cluster.jobs.values()))["spec"]["template"]["spec"]
    container = pod["containers"][0]
    wanted = {"memory": "128000M", "nvidia.com/gpu": "8"}
    problems = []
    for kind in ("requests", "limits"):
        asked = {name: container["resources"][kind].get(name) for name in wanted}
        print(f"a training on eight GPUs: {kind} {asked}")
        if asked != wanted:
            problems.append(f"{kind} should be {wanted}")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    if mounts.get("yolov3") != str(folder / "volume"):
        problems.append(f"the volume is not mounted: {mounts}")
    return problems


def snakemake(target: str, configfile: Path, folder: Path, cluster: StandInCluster) -> int:
    """Run Snakemake by the profile, with a folder in the place of the volume; return its exit code."""
    volume, project = folder / "volume", folder / "project"
    # The executor packs what git lists under the folder that it is started in.
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project / name)
    shutil.copy(configfile, project / "pods.yaml")
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    command = [
        *(sys.executable, "-m", "snakemake", target, "--workflow-profile", project / "profiles" / "kubernetes"),
        *("--configfile", "pods.yaml", "--config", f"data={{data_dir: {volume / 'dataset'}}}"),
        *("--container-image", "yolov3-darknet53", "--kubernetes-persistent-volumes", f"yolov3:{volume}"),
        *("--default-storage-prefix", volume / "storage", "--local-storage-prefix", volume / "work"),
        *("--remote-job-local-storage-prefix", volume / "work"),
        *("--seconds-between-status-checks", "1"),
    ]
    environment = {**cluster.environment, "PYTHONPATH": str(project / "workflow" / "lib")}
    return subprocess.run(command, cwd=project, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
