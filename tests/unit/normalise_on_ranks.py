"""A rank of a test: normalise its half of a batch, and write output, gradients and running statistics.

python normalise_on_ranks.py inputs.npz folder
"""

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import sys
from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor, nn

from yolov3.distributed.worker import start_runtime
from yolov3.training.sync_batch_norm import SyncBatchNorm


class WeightedSum(nn.Cell):
    """The sum of the normalised values times given weights, whose gradients are those weights."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def construct(self, images, weights):
        normalised = self.layer(images)
        return (normalised * weights).sum(), normalised


def main(inputs, folder):
    rank = start_runtime("CPU", 1, is_distributed=True)
    with np.load(inputs) as arrays:
        images, weights = (Tensor(arrays[name][rank.number :: rank.group_size]) for name in ("images", "weights"))
        layer = nn.BatchNorm2d(images.shape[1], eps=1e-5, momentum=0.9)
        for name in ("gamma", "beta", "moving_mean", "moving_variance"):
            getattr(layer, name).set_data(Tensor(arrays[name]))
    cell = WeightedSum(SyncBatchNorm(layer, rank.group_size))
    cell.set_train(True)
    gradients_of = mindspore.value_and_grad(cell, 0, [layer.gamma, layer.beta], has_aux=True)
    (_, normalised), (of_images, (of_gamma, of_beta)) = gradients_of(images, weights)
    statistics = {name: getattr(layer, name).asnumpy() for name in ("moving_mean", "moving_variance")}
    cell.set_train(False)
    results = {
        "normalised": normalised,
        "of_images": of_images,
        "of_gamma": of_gamma,
        "of_beta": of_beta,
        "inference": cell.layer(images),
    }
    values = {name: value.asnumpy() for name, value in results.items()}
    np.savez(Path(folder) / f"rank_{rank.number}.npz", **values, **statistics)


if __name__ == "__main__":
    main(*sys.argv[1:])
