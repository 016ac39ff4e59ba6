"""Optimizers of a training, and which parameters their weight decay applies to."""

from dataclasses import dataclass
from typing import Any

import mindspore
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from yolov3.network.yolo import YOLOv3
from yolov3.weights.checkpoint import HEAD_MARK

ADAMW_BETA2 = 0.999
ADAMW_EPSILON = 1e-8


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
    head_lr_factor: float


class AdamW(nn.Optimizer):
    """Adam with decoupled weight decay (arXiv:1711.05101, algorithm 2).

    A step at rate r moves a parameter p by -r * (m / (sqrt(v) + epsilon) + decay * p), where the moments m and v are
    corrected for their start at 0.

    Args:
        groups: parameter groups, each with its `weight_decay` and, if it has rates of its own, its `lr`.
        rates: learning rate of each step of the other groups.
        beta1: decay rate of the first moment.
    """

    def __init__(self, groups: list[dict], rates: Tensor, beta1: float) -> None:
        super().__init__(rates, groups)
        self.beta1 = beta1
        self.decays = tuple(float(decay) for decay in self.weight_decay)
        self.moments1 = self._parameters.clone(prefix="adam_m", init="zeros")
        self.moments2 = self._parameters.clone(prefix="adam_v", init="zeros")
        # One fused operation updates a parameter, but without the correction of the moments: see _update.
        self.kernel = ops.AdamWeightDecay()

    @mindspore.jit
    def construct(self, gradients: tuple[Tensor, ...]) -> tuple:
        """Update the parameters."""
        rates = self.get_lr()
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        step = ops.cast(self.global_step, mindspore.float32).reshape(())
        correction = ops.sqrt(1 - ops.pow(ADAMW_BETA2, step)) / (1 - ops.pow(self.beta1, step))
        # hyper_map takes neither a partial of a partial nor unpacked arguments.
        decays, weights, moments1, moments2 = self.decays, self._parameters, self.moments1, self.moments2
        if self.is_group_lr:
            update = ops.partial(_update, self.kernel, self.beta1, correction)
            return self.hyper_map(update, rates, decays, weights, moments1, moments2, gradients)
        update = ops.partial(_update, self.kernel, self.beta1, correction, rates)
        return self.hyper_map(update, decays, weights, moments1, moments2, gradients)


def _update(
    kernel: ops.Primitive,
    beta1: float,
    correction: Tensor,
    rate: Tensor,
    decay: float,
    parameter: Parameter,
    moment1: Parameter,
    moment2: Parameter,
    gradient: Tensor,
) -> tuple:
    # The correction is a factor of the rate; the decay, which the rate multiplies too, is divided by it.
    own_decay = decay / correction if decay else 0.0
    rate = rate * correction
    return kernel(parameter, moment1, moment2, rate, beta1, ADAMW_BETA2, ADAMW_EPSILON, own_decay, gradient)


def new_optimizer(
    network: YOLOv3, rates: np.ndarray, settings: OptimizerSettings, bias_rates: np.ndarray | None = None
) -> nn.Optimizer:
    """Create the optimizer; weight decay applies to convolution weights only, not to biases, gamma and beta.

    Args:
        network: network to train.
        rates: learning rate of each step, float32 [steps]; the heads learn with `head_lr_factor` times that.
        settings: see `OptimizerSettings`.
        bias_rates: those of biases and beta, float32 [steps]; None for `rates`.
    """
    groups = parameter_groups(network, rates, settings, bias_rates)
    step_rates = Tensor(rates)
    if settings.optimizer == "adamw":
        return AdamW(groups, step_rates, settings.momentum)
    if settings.nesterov:
        # nn.Momentum ignores use_nesterov on CPU (MindSpore 2.10).
        return nn.SGD(groups, step_rates, settings.momentum, nesterov=True)
    return nn.Momentum(groups, step_rates, settings.momentum)


def parameter_groups(
    network: YOLOv3, rates: np.ndarray, settings: OptimizerSettings, bias_rates: np.ndarray | None
) -> list[dict[str, Any]]:
    """Return the trainable parameters in groups of equal weight decay and learning rates; see `new_optimizer`."""
    members: dict[tuple[bool, bool, bool], list[Parameter]] = {}
    for parameter in network.trainable_params():
        is_decayed = parameter.name.endswith(("conv.weight", "head.weight"))
        has_bias_rates = bias_rates is not None and parameter.name.endswith((".bias", ".beta"))
        is_scaled = settings.head_lr_factor != 1 and HEAD_MARK in parameter.name
        members.setdefault((is_decayed, has_bias_rates, is_scaled), []).append(parameter)
    groups: list[dict[str, Any]] = []
    for (is_decayed, has_bias_rates, is_scaled), parameters in members.items():
        group = {"params": parameters, "weight_decay": settings.weight_decay if is_decayed else 0.0}
        if has_bias_rates or is_scaled:
            own = rates if bias_rates is None or not has_bias_rates else bias_rates
            group["lr"] = Tensor(own * np.float32(settings.head_lr_factor if is_scaled else 1))
        groups.append(group)
    return [*groups, {"order_params": network.trainable_params()}]
