"""Three training steps of a shallow network on a fixed global batch: a test runs it by msrun.

step_digests.py OUTPUT [--hosts A,B --group_size 2 --master_port P]: rank R writes the digests of all parameters after
each step to OUTPUT/rank_R.json and the last weights to OUTPUT/rank_R.npz. With --parts P, gradients are summed over P
parts of a rank's batch, with a dynamic loss scale; with --overflow_on R, one more step is taken first, in which
those of rank R are not finite. BatchNorm is frozen unless --batch_norm says own (of a rank's batch) or sync.
"""

import argparse
import hashlib
import json
import logging
import sys
from argparse import Namespace
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor, nn

from yolov3.config.config import complete_config
from yolov3.config.options import settings_from
from yolov3.distributed.msrun import is_launched
from yolov3.distributed.run import DistributedSettings, run_distributed
from yolov3.distributed.worker import start_runtime
from yolov3.network.grid import prediction_grid
from yolov3.network.settings import NetworkSettings
from yolov3.training.accumulation import AccumulatedStep, new_scaler
from yolov3.training.loss import LossSettings, YoloLoss
from yolov3.training.optimizer import OptimizerSettings, new_optimizer
from yolov3.training.step import ForwardLoss, TrainStep
from yolov3.training.targets import assign_targets

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from shallow_network import ShallowNetwork

ANCHORS = ((4, 4), (6, 6), (8, 8), (12, 12), (16, 16), (20, 20), (28, 28), (36, 36), (48, 48))
SIZE = (64, 64)
GLOBAL_BATCH = 4
STEPS = 3


def share_of_batch(rank: int, group_size: int) -> list[Tensor]:
    """Images, prediction grid and targets of a rank, of one global batch whose images all differ."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (GLOBAL_BATCH, *SIZE, 3), dtype=np.uint8)
    targets = []
    for number in range(GLOBAL_BATCH):
        boxes_xyxy = np.array([[4 + number, 8, 24, 30 + number], [30, 20 + number, 60 - number, 60]], np.float32)
        targets.append(assign_targets(boxes_xyxy, np.array([0, 1]), SIZE, ANCHORS, 4))
    stacked = [np.stack([getattr(target, name) for target in targets]) for name in vars(targets[0])]
    first, *others = (Tensor(values[rank::group_size]) for values in (images, *stacked))
    return [first, Tensor(np.array(prediction_grid(SIZE, ANCHORS))), *others]


def train(output: Path, is_distributed: bool, parts: int, overflow_on: int, batch_norm: str, amp_level: str) -> None:
    worker = start_runtime("CPU", 4, is_distributed)
    network = ShallowNetwork(NetworkSettings((8, 16, 16, 16, 16), (1, 1, 1, 1, 1), ANCHORS, ("a", "b")))
    options = Namespace(**complete_config({})["train"])
    settings = settings_from(OptimizerSettings, options, weight_decay=0.01, loss_scale=1.0)
    optimizer = new_optimizer(network, np.full(STEPS + 1, 0.002, np.float32), settings)
    loss = YoloLoss(2, settings_from(LossSettings, options))
    sync_ranks = worker.group_size if batch_norm == "sync" else 1
    forward = ForwardLoss(network, loss, new_scaler(64.0) if parts else 1.0, amp_level, sync_ranks)
    if parts:
        step = AccumulatedStep(parts, forward, optimizer, worker.group_size)
    else:
        step = TrainStep(forward, optimizer, worker.group_size)
    step.set_train(True)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d) and batch_norm == "frozen":
            # With the batch's own statistics, two batches of two images are not one of four.
            cell.set_train(False)
    batch = share_of_batch(worker.number, worker.group_size)
    digests = []
    if overflow_on >= 0:
        # Size weights of infinity on one rank only.
        *others, size_weight, label, objectness = batch
        factor = np.inf if worker.number == overflow_on else 1.0
        step(*others, Tensor(size_weight.asnumpy() * np.float32(factor)), label, objectness)
        assert (step.guard.skipped.asnumpy(), step.guard.scale.asnumpy()) == (1, 32)
    for _ in range(STEPS):
        step(*batch).asnumpy()
        content = b"".join(value.asnumpy().tobytes() for value in step.get_parameters())
        digests.append(hashlib.sha256(content).hexdigest())
    weights = {parameter.name: parameter.asnumpy() for parameter in network.get_parameters()}
    output.mkdir(parents=True, exist_ok=True)
    np.savez(output / f"rank_{worker.number}.npz", **weights)
    (output / f"rank_{worker.number}.json").write_text(json.dumps(digests))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--hosts", default="")
    parser.add_argument("--group_size", type=int, default=1)
    parser.add_argument("--master_port", type=int, default=8118)
    parser.add_argument("--parts", type=int, default=0)
    parser.add_argument("--overflow_on", type=int, default=-1)
    parser.add_argument("--batch_norm", choices=("frozen", "own", "sync"), default="frozen")
    parser.add_argument("--amp_level", default="O0")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    if arguments.group_size > 1 and not is_launched():
        settings = DistributedSettings(
            "CPU", arguments.group_size, arguments.hosts, "print", arguments.master_port, cluster_time_out=60
        )
        run_distributed([str(Path(__file__).resolve()), *sys.argv[1:]], settings, arguments.output / "workers")
    else:
        options = arguments.parts, arguments.overflow_on, arguments.batch_norm, arguments.amp_level
        train(arguments.output, is_launched(), *options)


if __name__ == "__main__":
    mindspore.set_context(mode=mindspore.GRAPH_MODE)
    main()
