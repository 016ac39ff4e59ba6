"""What a running training tells those that watch it, such as the live page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from yolov3.training.metrics_log import StepMetrics


@dataclass(frozen=True)
class Moment:
    """A moment of a running training: before its first step of this run, or after a step.

    Attributes:
        steps_done: number of finished steps.
        steps: number of steps of the whole training.
        steps_per_epoch: number of steps of an epoch.
        logged: metrics of the last step; None if it was not logged.
        validation: evaluations so far, each with epoch (counted from 1), iter, AP, AP50.
        seconds: training time so far, over all runs.
    """

    steps_done: int
    steps: int
    steps_per_epoch: int
    logged: StepMetrics | None
    validation: list[dict[str, Any]]
    seconds: float


Watcher = Callable[[Moment], None]
"""Called on rank 0 before the first step and after each step; raises nothing and changes nothing."""
