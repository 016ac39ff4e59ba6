"""A training step as a compiled graph: normalisation, network, loss, gradients and update."""

import math
from dataclasses import dataclass

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from yolov3.network.settings import ANCHORS_PER_STRIDE, STRIDES
from yolov3.network.yolo import YOLOv3
from yolov3.training.loss import YoloLoss

ADAMW_BETA2 = 0.999


@dataclass(frozen=True)
class OptimizerSettings:
    """Settings of the optimizer; the fields are the keys of the same names in config section `train`."""

    optimizer: str
    momentum: float
    weight_decay: float
    loss_scale: float


class ForwardLoss(nn.Cell):
    """Normalisation, network and loss of uint8 images."""

    def __init__(self, network: YOLOv3, loss: YoloLoss, loss_scale: float) -> None:
        super().__init__(auto_prefix=False)
        self.network = network
        self.loss = loss
        self.loss_scale = loss_scale
        mean_std = network.settings.mean_std
        self.mean = Tensor(np.array(mean_std.mean_rgb, np.float32).reshape(1, 3, 1, 1) * 255)
        self.inverse_std = Tensor(1 / (np.array(mean_std.std_rgb, np.float32).reshape(1, 3, 1, 1) * 255))

    def construct(self, images: Tensor, grid: Tensor, *targets: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return (loss * loss_scale, (xy, wh, confidence, class)); images are uint8 [N, H, W, 3] RGB."""
        pixels = ops.cast(images.transpose((0, 3, 1, 2)), mindspore.float32)
        loss_terms = self.loss(self.network((pixels - self.mean) * self.inverse_std), grid, *targets)
        total = loss_terms[0] + loss_terms[1] + loss_terms[2] + loss_terms[3]
        return total * self.loss_scale, loss_terms


class TrainStep(nn.Cell):
    """Forward and backward pass and an update of the parameters; returns the loss terms before it, float32 [4].

    Args:
        forward: network and loss.
        optimizer: optimizer of the trained parameters.
        group_size: number of ranks whose gradients are averaged.
    """

    def __init__(self, forward: ForwardLoss, optimizer: nn.Optimizer, group_size: int) -> None:
        super().__init__(auto_prefix=False)
        self.forward = forward
        self.optimizer = optimizer
        self.unscale = 1.0 / forward.loss_scale
        self.gradients_of = mindspore.value_and_grad(forward, None, optimizer.parameters, has_aux=True)
        self.reduce = (
            nn.DistributedGradReducer(optimizer.parameters, mean=True, degree=group_size) if group_size > 1 else None
        )

    def construct(self, images: Tensor, grid: Tensor, *targets: Tensor) -> Tensor:
        """Run the step; see `ForwardLoss` for the arguments."""
        (_, loss_terms), gradients = self.gradients_of(images, grid, *targets)
        if self.reduce is not None:
            gradients = self.reduce(gradients)
        if self.unscale != 1.0:
            gradients = ops.HyperMap()(ops.Partial()(_scale, self.unscale), gradients)
        gradients = ops.depend(gradients, self.optimizer(gradients))
        return ops.depend(ops.stack(loss_terms), gradients)


def _scale(factor: float, gradient: Tensor) -> Tensor:
    return gradient * factor


def new_optimizer(network: YOLOv3, learning_rates: np.ndarray, settings: OptimizerSettings) -> nn.Optimizer:
    """Create the optimizer; weight decay applies to convolution weights only, not to biases, gamma and beta.

    Args:
        network: network to train.
        learning_rates: learning rate of each step, float32 [steps].
        settings: see `OptimizerSettings`.
    """
    decayed, others = split_parameters(network)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
        {"order_params": network.trainable_params()},
    ]
    rates = Tensor(learning_rates)
    if settings.optimizer == "adamw":
        return nn.AdamWeightDecay(groups, rates, beta1=settings.momentum, beta2=ADAMW_BETA2)
    return nn.Momentum(groups, rates, settings.momentum)


def split_parameters(network: YOLOv3) -> tuple[list[Parameter], list[Parameter]]:
    """Return (convolution weights, all other trainable parameters)."""
    parameters = network.trainable_params()
    is_weight = [parameter.name.endswith(("conv.weight", "head.weight")) for parameter in parameters]
    decayed = [parameter for parameter, weight in zip(parameters, is_weight, strict=True) if weight]
    others = [parameter for parameter, weight in zip(parameters, is_weight, strict=True) if not weight]
    return decayed, others


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
