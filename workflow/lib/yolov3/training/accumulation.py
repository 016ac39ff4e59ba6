"""A training step in several graphs: gradients summed over parts of its images, and a dynamic loss scale."""

import mindspore
import numpy as np
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops
from mindspore.amp import DynamicLossScaler, all_finite

from yolov3.network.darknet53 import running_statistics
from yolov3.training.average import WeightAverage
from yolov3.training.state import GRADIENT_SUM
from yolov3.training.step import ForwardLoss
from yolov3.training.update import ParameterUpdate

SCALE_FACTOR = 2
# Steps without overflow after which the scale is doubled (MindSpore's default).
SCALE_WINDOW = 2000


def new_scaler(initial_scale: float) -> DynamicLossScaler:
    """Return a loss scale that is halved, down to 1, when gradients overflow, and doubled after SCALE_WINDOW steps."""
    return DynamicLossScaler(initial_scale, SCALE_FACTOR, SCALE_WINDOW)


class AccumulatedStep(nn.Cell):
    """A step whose gradients and loss terms are the means over equal parts of its images, one after the other.

    Takes little more memory than a `TrainStep` of a part. BatchNorm normalises by the statistics of a part, and moves
    its running statistics with each. With a dynamic loss scale, a step with a gradient that is not finite on any rank
    is left out on all: weights, moments and statistics of BatchNorm stay as they are, and the scale is halved; only
    the learning rate moves on, which is that of the step, and the average of the weights.

    Parts and update are graphs; this cell itself is not compiled.

    Args:
        parts: number of parts.
        forward, optimizer, group_size, gradient_clip, average: see `TrainStep`.

    Attributes:
        guard: with a dynamic loss scale, what decides whether a step is left out, else None.
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
        self.parts, self.optimizer, self.average = parts, optimizer, average
        sums = optimizer.parameters.clone(prefix=GRADIENT_SUM, init="zeros")
        self.add_part = _AddPart(forward, optimizer.parameters, sums)
        if forward.scaler is None:
            self.guard, divisor, dynamic_scale = None, parts * forward.loss_scale, None
        else:
            self.guard = OverflowGuard(forward.network, forward.scaler, optimizer, sums, group_size)
            divisor, dynamic_scale = parts, self.guard.scale
        update = ParameterUpdate(divisor, optimizer, group_size, gradient_clip, dynamic_scale)
        self.update = _UpdateFromSums(update, sums)
        self.no_terms = Tensor(np.zeros(len(forward.loss.term_names), np.float32))

    def __call__(self, images: Tensor, grid: Tensor, *targets: Tensor) -> Tensor:
        """Run the step and return the loss terms, float32 [terms]; see `ForwardLoss` for the arguments."""
        # Divided as arrays: the data are still on the host.
        parts = [np.split(values.asnumpy(), self.parts) for values in (images, *targets)]
        term_sums = self.no_terms
        for part_images, *part_targets in zip(*parts, strict=True):
            term_sums = self.add_part(term_sums, Tensor(part_images), grid, *map(Tensor, part_targets))
        if self.guard is None:
            self.update()
        else:
            self.guard.run(self.update)
        return term_sums / self.parts


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

    def __init__(self, update: ParameterUpdate, sums: ParameterTuple) -> None:
        super().__init__(auto_prefix=False)
        self.update = update
        self.sums = sums

    def construct(self) -> tuple[Tensor, ...]:
        zeros = ops.depend(ops.HyperMap()(ops.zeros_like, self.sums), self.update(self.sums))
        return ops.HyperMap()(ops.assign, self.sums, zeros)


class OverflowGuard(nn.Cell):
    """Leaves out updates with gradients that are not finite, and adapts the loss scale.

    Whether to update is decided on the host: a graph with a branch would keep the former data of parameters that are
    set between two steps, as the weights are for a validation (MindSpore 2.10).

    Args:
        network: network, with its statistics.
        scaler: the loss scale, see `new_scaler`.
        optimizer: optimizer of the trained parameters.
        sums: gradients.
        group_size: number of ranks.

    Attributes:
        scale: the loss scale, float32 scalar.
        skipped: number of updates left out so far, int32 [1].
    """

    def __init__(
        self,
        network: nn.Cell,
        scaler: DynamicLossScaler,
        optimizer: nn.Optimizer,
        sums: ParameterTuple,
        group_size: int,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.scaler = scaler
        # As attributes of a cell they are part of the saved state.
        self.scale, self.counter = self.scaler.scale_value, self.scaler.counter
        self.skipped = Parameter(Tensor([0], mindspore.int32), name="skipped_updates", requires_grad=False)
        statistics = ParameterTuple(running_statistics(network))
        kept = statistics.clone(prefix="kept", init="same")
        self.are_finite = _AreFinite(sums, group_size)
        self.keep_statistics = _Copy(statistics, kept)
        self.leave_out = _LeaveOut(sums, _Copy(kept, statistics), optimizer.global_step, self.skipped)

    def run(self, update: nn.Cell) -> None:
        """Run the update or leave it out, equally on all ranks, and adjust the scale."""
        is_finite = self.are_finite()
        if bool(is_finite):
            update()
            self.keep_statistics()
        else:
            self.leave_out()
        self.scaler.adjust(is_finite)


class _AreFinite(nn.Cell):
    """Whether the gradients of all ranks are finite, as a bool scalar."""

    def __init__(self, sums: ParameterTuple, group_size: int) -> None:
        super().__init__(auto_prefix=False)
        self.sums = sums
        self.over_ranks = ops.AllReduce(ops.ReduceOp.SUM) if group_size > 1 else None

    def construct(self) -> Tensor:
        is_finite = all_finite(self.sums)
        if self.over_ranks is not None:
            is_finite = self.over_ranks(1 - ops.cast(is_finite, mindspore.float32)) == 0
        return is_finite


class _Copy(nn.Cell):
    """Copy of parameters to others."""

    def __init__(self, sources: ParameterTuple, targets: ParameterTuple) -> None:
        super().__init__(auto_prefix=False)
        self.sources, self.targets = sources, targets

    def construct(self) -> tuple[Tensor, ...]:
        return ops.HyperMap()(ops.assign, self.targets, self.sources)


class _LeaveOut(nn.Cell):
    """Forgets the sums of gradients and counts the step."""

    def __init__(self, sums: ParameterTuple, restore: _Copy, position: Parameter, skipped: Parameter) -> None:
        super().__init__(auto_prefix=False)
        self.sums, self.restore, self.position, self.skipped = sums, restore, position, skipped
        self.one = Tensor([1], mindspore.int32)

    def construct(self) -> tuple[Tensor, ...]:
        counted = (ops.assign_add(self.position, self.one), ops.assign_add(self.skipped, self.one), self.restore())
        zeros = ops.depend(ops.HyperMap()(ops.zeros_like, self.sums), counted)
        return ops.HyperMap()(ops.assign, self.sums, zeros)
