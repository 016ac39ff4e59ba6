"""A training step as a compiled graph: normalisation, network, loss, gradients and update."""

import math

import mindspore
import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops
from mindspore.amp import DynamicLossScaler

from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES
from yolov3.network.yolo import YOLOv3
from yolov3.training.average import WeightAverage
from yolov3.training.loss import YoloLoss
from yolov3.training.precision import mixed_precision
from yolov3.training.state import GRADIENT_SUM
from yolov3.training.update import ParameterUpdate, SkippingUpdate


class ForwardLoss(nn.Cell):
    """Normalisation, network and loss of uint8 images.

    Args:
        network: the network.
        loss: its loss.
        loss_scale: factor of the loss; a scaler for one that adapts to the gradients.
        amp_level: see `mixed_precision`.
    """

    def __init__(
        self, network: YOLOv3, loss: YoloLoss, loss_scale: float | DynamicLossScaler, amp_level: str = "O0"
    ) -> None:
        super().__init__(auto_prefix=False)
        self.network = mixed_precision(network, amp_level)
        self.loss = loss
        self.scaler = None if isinstance(loss_scale, float | int) else loss_scale
        self.loss_scale = loss_scale if self.scaler is None else self.scaler.scale_value
        mean_std = network.settings.mean_std
        self.mean = Tensor(np.array(mean_std.mean_rgb, np.float32).reshape(1, 3, 1, 1) * 255)
        self.inverse_std = Tensor(1 / (np.array(mean_std.std_rgb, np.float32).reshape(1, 3, 1, 1) * 255))

    def construct(self, images: Tensor, grid: Tensor, *targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return (loss * loss_scale, terms of the loss, float32 [terms]); images are uint8 [N, H, W, 3] RGB."""
        pixels = ops.cast(images.transpose((0, 3, 1, 2)), mindspore.float32)
        raw_maps = self.network((pixels - self.mean) * self.inverse_std)
        loss_terms = ops.stack(self.loss(raw_maps, grid, *targets))
        return loss_terms.sum() * self.loss_scale, loss_terms


class TrainStep(nn.Cell):
    """Forward and backward pass and an update of the parameters; returns the loss terms before it, float32 [terms].

    Args:
        forward: network and loss.
        optimizer: optimizer of the trained parameters.
        group_size: number of ranks whose gradients are averaged.
        gradient_clip: maximum of the global norm of the gradients; 0 for none.
        average: moving average of the weights, updated after them; None for none.
    """

    def __init__(
        self,
        forward: ForwardLoss,
        optimizer: nn.Optimizer,
        group_size: int,
        gradient_clip: float = 0.0,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.forward = forward
        self.update = _new_update(forward, 1, optimizer, group_size, gradient_clip, average)
        self.gradients_of = mindspore.value_and_grad(forward, None, optimizer.parameters, has_aux=True)

    def construct(self, images: Tensor, grid: Tensor, *targets: Tensor) -> Tensor:
        """Run the step; see `ForwardLoss` for the arguments."""
        (_, loss_terms), gradients = self.gradients_of(images, grid, *targets)
        return ops.depend(loss_terms, self.update(gradients))


class AccumulatedStep(nn.Cell):
    """A step whose gradients and loss terms are the means over equal parts of its images, one after the other.

    Takes little more memory than a `TrainStep` of a part. BatchNorm normalises by the statistics of a part, and moves
    its running statistics with each. Parts and update are two graphs; this cell itself is not compiled.

    Args:
        parts: number of parts.
        forward, optimizer, group_size, gradient_clip, average: see `TrainStep`.
    """

    def __init__(
        self,
        parts: int,
        forward: ForwardLoss,
        optimizer: nn.Optimizer,
        group_size: int,
        gradient_clip: float = 0.0,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.parts = parts
        sums = optimizer.parameters.clone(prefix=GRADIENT_SUM, init="zeros")
        self.add_part = _AddPart(forward, optimizer.parameters, sums)
        self.update = _new_update(forward, parts, optimizer, group_size, gradient_clip, average)
        self.update_from_sums = _UpdateFromSums(self.update, sums, parts)
        self.no_terms = Tensor(np.zeros(len(forward.loss.term_names), np.float32))

    def __call__(self, images: Tensor, grid: Tensor, *targets: Tensor) -> Tensor:
        """Run the step; see `ForwardLoss` for the arguments."""
        # Divided as arrays: the data are still on the host.
        parts = [np.split(values.asnumpy(), self.parts) for values in (images, *targets)]
        term_sums = self.no_terms
        for part_images, *part_targets in zip(*parts, strict=True):
            term_sums = self.add_part(term_sums, Tensor(part_images), grid, *map(Tensor, part_targets))
        return self.update_from_sums(term_sums)


class _AddPart(nn.Cell):
    """Forward and backward pass of a part, whose gradients are added to sums."""

    def __init__(self, forward: ForwardLoss, weights: ParameterTuple, sums: ParameterTuple) -> None:
        super().__init__(auto_prefix=False)
        self.forward = forward
        self.sums = sums
        self.gradients_of = mindspore.value_and_grad(forward, None, weights, has_aux=True)

    def construct(self, term_sums: Tensor, images: Tensor, grid: Tensor, *targets: Tensor) -> Tensor:
        """Return the sums of the loss terms, float32 [terms], with those of the part."""
        (_, loss_terms), gradients = self.gradients_of(images, grid, *targets)
        return ops.depend(term_sums + loss_terms, ops.HyperMap()(ops.assign_add, self.sums, gradients))


class _UpdateFromSums(nn.Cell):
    """Update of the parameters from the sums of gradients, which are then 0 again."""

    def __init__(self, update: ParameterUpdate, sums: ParameterTuple, parts: int) -> None:
        super().__init__(auto_prefix=False)
        self.update = update
        self.sums = sums
        self.parts = parts

    def construct(self, term_sums: Tensor) -> Tensor:
        """Return the means of the loss terms, float32 [terms]."""
        zeros = ops.depend(ops.HyperMap()(ops.zeros_like, self.sums), self.update(self.sums))
        return ops.depend(term_sums / self.parts, ops.HyperMap()(ops.assign, self.sums, zeros))


def _new_update(
    forward: ForwardLoss,
    parts: int,
    optimizer: nn.Optimizer,
    group_size: int,
    gradient_clip: float,
    average: WeightAverage | None,
) -> ParameterUpdate:
    """Create the update from the gradients of `forward`, summed over `parts` batches."""
    others = (optimizer, group_size, gradient_clip, average)
    if forward.scaler is None:
        return ParameterUpdate(forward.loss_scale * parts, *others)
    return SkippingUpdate(forward.network, forward.scaler, parts, *others)


def set_objectness_prior(network: YOLOv3, prior: float) -> None:
    """Initialise the objectness biases so that every prediction starts at confidence `prior`, 0..1.

    As most predictions are background, a low prior saves about a thousand steps of a training from scratch
    (arXiv:1708.02002, section 3.3).
    """
    for stride in STRIDES:
        bias = getattr(network, f"branch_{stride}").head.bias
        values = bias.asnumpy().reshape(ANCHORS_PER_STRIDE, network.settings.values_per_anchor)
        values[:, 4] = math.log(prior / (1 - prior))
        bias.set_data(Tensor(values.reshape(-1)))
