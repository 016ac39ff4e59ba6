"""Optimizers of a training, and which parameters their weight decay applies to."""

from dataclasses import dataclass

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from yolov3.network.yolo import YOLOv3
from yolov3.weights.checkpoint import quiet_mindspore

ADAMW_BETA2 = 0.999


@dataclass(frozen=True)
class OptimizerSettings:
    """Settings of the optimizer; the fields are the keys of the same names in config section `train`."""

    optimizer: str
    momentum: float
    nesterov: int
    weight_decay: float
    loss_scale: float
    loss_scaler: str
    gradient_clip: float
    ema_epochs: float


class AdamW(nn.Adam):
    """Adam with decoupled weight decay (arXiv:1711.05101, algorithm 2).

    A step at rate r moves a parameter p by -r * (m / (sqrt(v) + epsilon) + decay * p), where the moments m and v are
    corrected for their start at 0.

    Args:
        groups: parameter groups, each with its `weight_decay`.
        rates: learning rate of each step.
        beta1: decay rate of the first moment.
    """

    def __init__(self, groups: list[dict], rates: Tensor, beta1: float) -> None:
        super().__init__(groups, rates, beta1=beta1, beta2=ADAMW_BETA2)
        self.decays = tuple(float(decay) for decay in self.weight_decay)
        # nn.Adam would add the decay to the gradients.
        self.exec_weight_decay = False

    @mindspore.jit
    def construct(self, gradients: tuple[Tensor, ...]) -> tuple:
        """Shrink the parameters, then update them as Adam does."""
        shrunk = self.hyper_map(ops.partial(_shrink, self.get_lr()), self.decays, self._parameters)
        return super().construct(ops.depend(gradients, shrunk))


def _shrink(rate: Tensor, decay: float, parameter: Parameter) -> Tensor:
    return ops.assign(parameter, parameter * (1 - rate * decay))


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
        # It warns of a deprecated operator for sparse gradients, which do not occur here.
        with quiet_mindspore():
            return AdamW(groups, rates, settings.momentum)
    if settings.nesterov:
        # nn.Momentum ignores use_nesterov on CPU (MindSpore 2.10).
        return nn.SGD(groups, rates, settings.momentum, nesterov=True)
    return nn.Momentum(groups, rates, settings.momentum)


def split_parameters(network: YOLOv3) -> tuple[list[Parameter], list[Parameter]]:
    """Return (convolution weights, all other trainable parameters)."""
    parameters = network.trainable_params()
    is_weight = [parameter.name.endswith(("conv.weight", "head.weight")) for parameter in parameters]
    decayed = [parameter for parameter, weight in zip(parameters, is_weight, strict=True) if weight]
    others = [parameter for parameter, weight in zip(parameters, is_weight, strict=True) if not weight]
    return decayed, others
