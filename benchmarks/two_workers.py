"""Compare the training speed of two ranks with one core each with that of one process with two threads, alternating.

python benchmarks/two_workers.py [--rounds 3] [--images 640] [--epochs 3]

Both use the global batch of config/config.yaml. Prints the medians in images per second, without compilation, and their
ratio. Nothing else should run on the host.
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
RANKS = 2


def stage(name: str, words: list[str], folder: Path) -> None:
    process = subprocess.run([sys.executable, str(SCRIPTS / name), *words], cwd=folder, capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(process.stderr)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def images_per_second(config: dict, folder: Path, ranks: int) -> float:
    train = {
        **config["train"],
        "is_distributed": int(ranks > 1),
        "group_size": ranks,
        "master_port": free_port(),
        "per_batch_size": config["train"]["per_batch_size"] // ranks,
    }
    words = option_words({"seed": config["seed"], "device_target": "CPU", **config["network"], **train})
    output = folder / f"{ranks} ranks"
    stage("train.py", [*shlex.split(words), "--manifest", "manifest.json", "--ckpt_path", str(output)], folder)
    return json.loads((output / "train.json").read_text())["images_per_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    # One process uses all cores that it may: limit it to two for this comparison.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:RANKS])

    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["train"].update(max_epoch=arguments.epochs, T_max=arguments.epochs)
    config = complete_config(config)
    speeds: dict[int, list[float]] = {1: [], RANKS: []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shapes = option_words({**config["data"], **config["shapes"], "train_images": arguments.images, "val_images": 8})
        stage("download.py", [*shlex.split(shapes), "--manifest", "manifest.json"], folder)
        for number in range(arguments.rounds):
            for ranks, measured in speeds.items():
                measured.append(images_per_second(config, folder, ranks))
            print(f"round {number + 1}: {speeds[1][-1]:.1f} and {speeds[RANKS][-1]:.1f} images/s", flush=True)
    single, parallel = (statistics.median(measured) for measured in speeds.values())
    print(f"one process {single:.1f}, {RANKS} ranks {parallel:.1f} images/s (medians), ratio {parallel / single:.3f}")


if __name__ == "__main__":
    main()
