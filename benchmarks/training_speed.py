"""Compare the training speed of this code with that of a checkout of another version, or of two ranks, alternating.

    python benchmarks/training_speed.py --old OLD [--rounds 3] [--images 640] [--epochs 3]
    python benchmarks/training_speed.py --ranks 2

OLD is a folder, such as one by `git worktree add OLD v0.1.0`. All trainings have the global batch of config/config.yaml
and run on two cores, of which ranks share the one each. Prints the medians in images per second, without compilation,
and their ratio. Nothing else should run on the host.
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
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from yolov3.config.config import complete_config
from yolov3.config.options import option_words

ROOT = Path(__file__).parents[1]
CORES = 2


@dataclass
class Contender:
    """A training to measure: its code, its number of ranks and its speeds in images per second."""

    name: str
    root: Path
    ranks: int = 1
    speeds: list[float] = field(default_factory=list)


def stage(root: Path, name: str, words: list[str], folder: Path) -> None:
    """Run a stage of the code in `root` in a folder."""
    script, library = root / "workflow" / "scripts" / name, root / "workflow" / "lib"
    environment = {**os.environ, "PYTHONPATH": str(library)}
    command = [sys.executable, str(script), *words]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    if process.returncode != 0:
        sys.exit(process.stderr)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def images_per_second(config: dict, folder: Path, contender: Contender) -> float:
    train = {
        **config["train"],
        "is_distributed": int(contender.ranks > 1),
        "group_size": contender.ranks,
        "master_port": free_port(),
        "per_batch_size": config["train"]["per_batch_size"] // contender.ranks,
    }
    words = shlex.split(option_words({"seed": config["seed"], "device_target": "CPU", **config["network"], **train}))
    output = folder / contender.name
    stage(contender.root, "train.py", [*words, "--manifest", "manifest.json", "--ckpt_path", str(output)], folder)
    return json.loads((output / "train.json").read_text())["images_per_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    other = parser.add_mutually_exclusive_group(required=True)
    other.add_argument("--old", type=Path, help="checkout of the version to compare with")
    other.add_argument("--ranks", type=int, help="number of ranks to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--epochs", type=int, default=3)
    arguments = parser.parse_args()
    # One process uses all cores that it may: limit it to those of the ranks.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])

    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    config["train"].update(max_epoch=arguments.epochs, T_max=arguments.epochs)
    config = complete_config(config)
    if arguments.old:
        contenders = Contender("old", arguments.old.resolve()), Contender("new", ROOT)
    else:
        contenders = Contender("one process", ROOT), Contender(f"{arguments.ranks} ranks", ROOT, arguments.ranks)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shapes = option_words({**config["data"], **config["shapes"], "train_images": arguments.images, "val_images": 8})
        stage(ROOT, "download.py", [*shlex.split(shapes), "--manifest", "manifest.json"], folder)
        for number in range(arguments.rounds):
            for contender in contenders:
                contender.speeds.append(images_per_second(config, folder, contender))
            measured = " and ".join(f"{contender.speeds[-1]:.1f}" for contender in contenders)
            print(f"round {number + 1}: {measured} images/s", flush=True)
    first, second = (statistics.median(contender.speeds) for contender in contenders)
    names = [contender.name for contender in contenders]
    print(f"{names[0]} {first:.1f}, {names[1]} {second:.1f} images/s (medians), ratio {second / first:.3f}")


if __name__ == "__main__":
    main()
