"""The update of the parameters from the gradients of a step."""

from mindspore import Parameter, Tensor, nn, ops


class ParameterUpdate(nn.Cell):
    """Average the gradients over ranks, divide them, limit their norm, and update the parameters.

    Args:
        divisor: what the gradients are divided by.
        optimizer: optimizer of the trained parameters.
        group_size: number of ranks whose gradients are averaged.
        gradient_clip: maximum of the global norm of the gradients; 0 for none.
        dynamic_scale: what the gradients are divided by as well; None for nothing.
    """

    def __init__(
        self,
        divisor: float,
        optimizer: nn.Optimizer,
        group_size: int,
        gradient_clip: float,
        dynamic_scale: Parameter | None = None,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.gradient_clip = gradient_clip
        self.factor = 1.0 / divisor
        self.dynamic_scale = dynamic_scale
        self.reduce = (
            nn.DistributedGradReducer(optimizer.parameters, mean=True, degree=group_size) if group_size > 1 else None
        )

    def construct(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Run the update; return the gradients that it used."""
        if self.reduce is not None:
            gradients = self.reduce(gradients)
        if self.dynamic_scale is not None:
            gradients = ops.HyperMap()(ops.partial(_scale, self.factor / self.dynamic_scale), gradients)
        elif self.factor != 1.0:
            gradients = ops.HyperMap()(ops.Partial()(_scale, self.factor), gradients)
        if self.gradient_clip:
            gradients = ops.clip_by_global_norm(gradients, self.gradient_clip)
        return ops.depend(gradients, self.optimizer(gradients))


def _scale(factor: float | Tensor, gradient: Tensor) -> Tensor:
    return gradient * factor
