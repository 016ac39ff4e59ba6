"""Damages a checkpoint and the state of a training in many ways: each is read, or refused in one sentence.

python tests/fuzz/checkpoints.py [--runs 10000] [--seed 0]
"""

import argparse
import collections
import json
import logging
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor, nn

from yolov3.errors import InputError
from yolov3.network.settings import NetworkSettings
from yolov3.training.state import Progress, load_state, save_state
from yolov3.weights.checkpoint import read_checkpoint, save_checkpoint

ANCHORS = tuple((8.0 * side, 9.0 * side) for side in range(1, 10))
SETTINGS = NetworkSettings((8, 8, 16, 16, 32), (1, 1, 1, 1, 1), ANCHORS, ("a", "b"), category_ids=(1, 2))
IDENTITY = {"settings": {"lr": 0.1}, "network": {"anchors": [[1, 2]]}, "ranks": 1, "code": {"": "p"}}


class Step(nn.Cell):
    """Some parameters, instead of a whole network, so that a run takes less time."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = Parameter(Tensor(np.ones((2, 3), np.float32)), name="weight")
        self.step = Parameter(Tensor(np.ones(1, np.int32)), name="step")


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """Return the content cut, with bytes replaced, or with a part removed, doubled or moved."""
    values = np.frombuffer(content, np.uint8).copy()
    kind = random.integers(5)
    first, last = np.sort(random.integers(0, len(values) + 1, 2))
    if kind == 0:
        values = values[:last]
    elif kind in (1, 2):
        places = random.integers(0, len(values), random.integers(1, 6))
        values[places] = random.integers(0, 256, len(places)) if kind == 1 else values[places] ^ 1
    elif kind == 3:
        values = np.delete(values, slice(first, min(last, first + 40)))
    else:
        values = np.insert(values, first, values[first : first + 40])
    return values.tobytes()


def read_network(path: Path) -> None:
    """Read a checkpoint and the settings in it."""
    checkpoint = read_checkpoint(path)
    _ = checkpoint.settings


def fuzz(name: str, path: Path, read: Callable[[Path], object], runs: int, seed: int) -> int:
    """Read `path` in `runs` damaged forms and return how many were neither read nor refused in a sentence."""
    content = path.read_bytes()
    random = np.random.default_rng(seed)
    outcomes: collections.Counter[str] = collections.Counter()
    for run in range(runs):
        path.write_bytes(damaged(content, random))
        try:
            read(path)
            outcomes["read"] += 1
        except InputError:
            outcomes["refused"] += 1
        except Exception:
            outcomes["failed"] += 1
            print(f"{name}, seed {seed}, run {run}:", traceback.format_exc(), file=sys.stderr)
    print(f"{name}: {runs} runs, {dict(outcomes)}")
    return outcomes["failed"]


def main() -> int:
    """Run both targets and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        network, state, step = Path(name) / "network.ckpt", Path(name) / "state.ckpt", Step()
        save_checkpoint(network, step, SETTINGS, epoch=3)
        save_state(state, step, json.loads(json.dumps(IDENTITY)), Progress(7, 0.25, 2, [{"epoch": 2}], 12.5))
        failed = fuzz("checkpoints", network, read_network, arguments.runs, arguments.seed)
        failed += fuzz("states", state, lambda path: load_state(path, step, IDENTITY), arguments.runs, arguments.seed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
