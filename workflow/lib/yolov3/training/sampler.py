"""Which images and which input size a training step uses: a pure function of seed, rank and step.

Nothing is drawn in sequence, so a training can go on from any step with the same data as an undisturbed one.
"""

from dataclasses import dataclass

import numpy as np

from yolov3.network.grid import InputSize

MULTI_SCALE_SIZES = tuple(range(320, 608 + 1, 32))


@dataclass(frozen=True)
class SamplerSettings:
    """Settings of `TrainingSampler`.

    Attributes:
        seed: seed of the order and of the sizes.
        batch_size: images in a batch of one rank.
        rank, group_size: this worker and the number of workers.
        training_shape: fixed input size in pixels, 0 for multi-scale.
        resize_rate: batches between two changes of the size.
    """

    seed: int
    batch_size: int
    rank: int
    group_size: int
    training_shape: int
    resize_rate: int


class TrainingSampler:
    """Order of images and sizes of one rank.

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
        """Whole batches of a rank in an epoch, at least 1: a smaller data set is repeated within the batch."""
        per_rank = -(-self.images // self.settings.group_size)
        return max(1, per_rank // self.settings.batch_size)

    def batch(self, step: int) -> tuple[int, np.ndarray]:
        """Return the epoch of a step (counted from 0 over the whole run) and the int64 [batch_size] image indices."""
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._order, self._epoch = self._order_of(epoch), epoch
        first = step_in_epoch * self.settings.batch_size
        return epoch, self._order[first : first + self.settings.batch_size]

    def _order_of(self, epoch: int) -> np.ndarray:
        order = np.random.default_rng((self.settings.seed, epoch)).permutation(self.images)
        wanted = max(-(-self.images // self.settings.group_size), self.settings.batch_size) * self.settings.group_size
        return np.resize(order, wanted)[self.settings.rank :: self.settings.group_size]

    def input_size(self, step: int) -> InputSize:
        """Return the (height, width) of a step in pixels, equal on all ranks."""
        size = self.settings.training_shape
        if not size:
            draw = np.random.default_rng((self.settings.seed, 1, step // self.settings.resize_rate))
            size = int(draw.choice(MULTI_SCALE_SIZES))
        return size, size
