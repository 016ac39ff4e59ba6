"""The update of the parameters from the gradients of a step, with a static or a dynamic loss scale."""

import mindspore
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.amp import DynamicLossScaler, all_finite

from yolov3.training.average import WeightAverage

SCALE_FACTOR = 2
# Steps without overflow after which the scale is doubled (MindSpore's default).
SCALE_WINDOW = 2000


def new_scaler(initial_scale: float) -> DynamicLossScaler:
    """Return a loss scale that is halved, down to 1, when gradients overflow, and doubled after SCALE_WINDOW steps."""
    return DynamicLossScaler(initial_scale, SCALE_FACTOR, SCALE_WINDOW)


class ParameterUpdate(nn.Cell):
    """Average the gradients over ranks, divide by the loss scale, limit their norm, and update the parameters.

    Args:
        scale: what the gradients are divided by.
        optimizer: optimizer of the trained parameters.
        group_size: number of ranks whose gradients are averaged.
        gradient_clip: maximum of the global norm of the gradients; 0 for none.
        average: moving average of the weights, updated after them; None for none.
    """

    def __init__(
        self,
        scale: float,
        optimizer: nn.Optimizer,
        group_size: int,
        gradient_clip: float,
        average: WeightAverage | None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.average = average
        self.gradient_clip = gradient_clip
        self.unscale = 1.0 / scale
        self.reduce = (
            nn.DistributedGradReducer(optimizer.parameters, mean=True, degree=group_size) if group_size > 1 else None
        )

    def construct(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Run the update; return the gradients that it used."""
        if self.reduce is not None:
            gradients = self.reduce(gradients)
        if self.unscale != 1.0:
            gradients = ops.HyperMap()(ops.Partial()(_scale, self.unscale), gradients)
        return self.apply_gradients(gradients)

    def apply_gradients(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Update the parameters and their average; return the gradients."""
        if self.gradient_clip:
            gradients = ops.clip_by_global_norm(gradients, self.gradient_clip)
        gradients = ops.depend(gradients, self.optimizer(gradients))
        if self.average is not None:
            gradients = ops.depend(gradients, self.average())
        return gradients


class SkippingUpdate(ParameterUpdate):
    """An update with a dynamic loss scale, left out on all ranks if a gradient of any rank is not finite.

    Then weights, moments, averages and the statistics of BatchNorm stay as after the last update; only the position in
    the learning-rate schedule moves on.

    Args:
        network: network with the statistics.
        scaler: the loss scale, see `new_scaler`.
        parts: number of batches over which the gradients were summed.
        optimizer, group_size, gradient_clip, average: see `ParameterUpdate`.

    Attributes:
        skipped: number of updates left out so far, int32 [1].
    """

    def __init__(
        self,
        network: nn.Cell,
        scaler: DynamicLossScaler,
        parts: int,
        optimizer: nn.Optimizer,
        group_size: int,
        gradient_clip: float,
        average: WeightAverage | None,
    ) -> None:
        super().__init__(parts, optimizer, group_size, gradient_clip, average)
        self.scaler = scaler
        # As attributes of a cell they are part of the saved state.
        self.scale, self.counter = scaler.scale_value, scaler.counter
        self.skipped = Parameter(Tensor([0], mindspore.int32), name="skipped_updates", requires_grad=False)
        self.one = Tensor([1], mindspore.int32)
        self.statistics = ParameterTuple(value for value in network.get_parameters() if not value.requires_grad)
        self.kept_statistics = self.statistics.clone(prefix="kept", init="same")
        self.sum = ops.AllReduce(ops.ReduceOp.SUM) if group_size > 1 else None

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        """Run the update or leave it out; return whether it was run."""
        if self.reduce is not None:
            gradients = self.reduce(gradients)
        is_finite = all_finite(gradients)
        if self.sum is not None:
            # Some devices note an overflow in a status of their own, which no sum of gradients carries to the others.
            is_finite = self.sum(1 - ops.cast(is_finite, mindspore.float32)) == 0
        if is_finite:
            unscale = self.unscale / self.scale
            gradients = ops.HyperMap()(ops.partial(_scale, unscale), gradients)
            self.apply_gradients(gradients)
            ops.HyperMap()(_copy, self.kept_statistics, self.statistics)
        else:
            ops.HyperMap()(_copy, self.statistics, self.kept_statistics)
            ops.assign_add(self.optimizer.global_step, self.one)
            ops.assign_add(self.skipped, self.one)
        self.scaler.adjust(is_finite)
        return is_finite


def _scale(factor: float | Tensor, gradient: Tensor) -> Tensor:
    return gradient * factor


def _copy(target: Parameter, source: Parameter) -> Tensor:
    return ops.assign(target, source)
