"""Images a second of two workers with one core each against one process with two threads: the same global batch of
config/config.yaml, in alternated rounds.

python benchmarks/two_workers.py [--rounds 3] [--images 640] [--epochs 3]

Prints the medians and their ratio; compiling does not count. Nothing else should run on the host meanwhile.
"""

import argparse
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from yolov3.config.config import complete_config
from yolov3.config.options import option_words

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
WORKERS = 2


def stage(name: str, words: list[str], folder: Path) -> None:
    done = subprocess.run([sys.executable, str(SCRIPTS / name), *words], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def images_per_second(config: dict, folder: Path, workers: int) -> float:
    train = {
        **config["train"],
        "is_distributed": int(workers > 1),
        "group_size": workers,
        "master_port": free_port(),
        "per_batch_size": config["train"]["per_batch_size"] // workers,
    }
    words = option_words({"seed": config["seed"], "device_target": "CPU", **config["network"], **train})
    output = folder / f"{workers} workers"
    stage("train.py", [*shlex.split(words), "--manifest", "manifest.json", "--ckpt_path", str(output)], folder)
    return json.loads((output / "train.json").read_text())["images_per_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    # One process takes all the cores that it may use: two for this comparison.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:WORKERS])

    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["train"].update(max_epoch=arguments.epochs, T_max=arguments.epochs)
    config = complete_config(config)
    speeds: dict[int, list[float]] = {1: [], WORKERS: []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shapes = option_words({**config["data"], **config["shapes"], "train_images": arguments.images, "val_images": 8})
        stage("download.py", [*shlex.split(shapes), "--manifest", "manifest.json"], folder)
        for number in range(arguments.rounds):
            for workers, measured in speeds.items():
                measured.append(images_per_second(config, folder, workers))
            print(f"round {number + 1}: {speeds[1][-1]:.1f} and {speeds[WORKERS][-1]:.1f} images/s", flush=True)
    one, two = (statistics.median(measured) for measured in speeds.values())
    print(f"one process {one:.1f}, {WORKERS} workers {two:.1f} images/s (medians), ratio {two / one:.3f}")


if __name__ == "__main__":
    main()
