"""Images and input size of each training step, as a function of seed, rank and step only.

There is no random state, so a training resumed from any step uses the same data as an uninterrupted one.
"""

from dataclasses import dataclass

import numpy as np

from yolov3.network.grid import InputSize

MULTI_SCALE_SIZES = tuple(range(320, 608 + 1, 32))


@dataclass(frozen=True)
class SamplerSettings:
    """Settings of `TrainingSampler`.

    Attributes:
        seed: random seed of the order of images and of the input sizes.
        batch_size: number of images of a rank in a step.
        rank, group_size: number of this rank, and number of ranks.
        training_shape: fixed input size in pixels, 0 for multi-scale training.
        resize_rate: number of steps after which the input size changes.
    """

    seed: int
    batch_size: int
    rank: int
    group_size: int
    training_shape: int
    resize_rate: int


class TrainingSampler:
    """Chooses the images and the input size of each step of one rank.

    Args:
        images: number of images N.
        settings: see `SamplerSettings`.
    """

    def __init__(self, images: int, settings: SamplerSettings) -> None:
        self.images = images
        self.settings = settings
        self._epoch = -1
        self._order: np.ndarray

    @property
    def steps_per_epoch(self) -> int:
        """Number of whole batches per rank and epoch, at least 1: a smaller data set is repeated within the batch."""
        per_rank = -(-self.images // self.settings.group_size)
        return max(1, per_rank // self.settings.batch_size)

    def batch(self, step: int) -> tuple[int, np.ndarray, np.ndarray]:
        """Return what a step, counted from 0 over the whole training, takes.

        Returns:
            epoch: its epoch.
            indices: image indices, int64 [batch_size].
            repeats: how often each image occurs before in this epoch on any rank, int64 [batch_size].
        """
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order, self._epoch = self._order_of(epoch), epoch
        positions = np.arange(self.settings.batch_size) + step_in_epoch * self.settings.batch_size
        positions = positions * self.settings.group_size + self.settings.rank
        repeats, places = np.divmod(positions, self.images)
        return epoch, self._order[places], repeats

    def _order_of(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.settings.seed, epoch)).permutation(self.images)

    def input_size(self, step: int) -> InputSize:
        """Return the input size of a step, (height, width) in pixels, which is equal on all ranks."""
        size = self.settings.training_shape
        if not size:
            rng = np.random.default_rng((self.settings.seed, 1, step // self.settings.resize_rate))
            size = int(rng.choice(MULTI_SCALE_SIZES))
        return size, size
