"""Learning-rate schedules: linear warm-up, then step decay or cosine annealing by epoch."""

import logging
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScheduleSettings:
    """Settings of the schedule; the fields are the keys of the same names in config section `train`."""

    lr: float
    lr_scheduler: str
    lr_epochs: str
    lr_gamma: float
    eta_min: float
    eta_min_share: float
    T_max: int
    max_epoch: int
    warmup_epochs: float
    warmup_bias_lr: float
    warmup_momentum: float


def warn_of_cosine_period(settings: ScheduleSettings) -> None:
    """Warn of a cosine that has not reached its minimum at the end of the training, or rises again before it."""
    if settings.lr_scheduler == "cosine_annealing" and settings.T_max != settings.max_epoch:
        course = "rises again after" if settings.T_max < settings.max_epoch else "reaches its minimum only at"
        logging.warning(
            "the learning rate %s epoch %d, train.T_max, but the training ends at %d: set T_max to %d",
            course,
            settings.T_max,
            settings.max_epoch,
            settings.max_epoch,
        )


def learning_rates(settings: ScheduleSettings, steps_per_epoch: int, first_rate: float = 0.0) -> np.ndarray:
    """Return the learning rate of each step, float32 [max_epoch * steps_per_epoch].

    During warm-up the rate goes linearly from `first_rate` to `lr`, which it reaches at the last step of the warm-up;
    then it changes once per epoch.
    """
    steps = np.arange(settings.max_epoch * steps_per_epoch)
    epochs = steps // steps_per_epoch
    if settings.lr_scheduler == "cosine_annealing":
        cosine = (1 + np.cos(np.pi * epochs / settings.T_max)) / 2
        minimum = max(settings.eta_min, settings.eta_min_share * settings.lr)
        rates = minimum + (settings.lr - minimum) * cosine
    else:
        milestones = [int(epoch) for epoch in settings.lr_epochs.split(",") if epoch]
        rates = settings.lr * settings.lr_gamma ** np.searchsorted(milestones, epochs, side="right")
    warmup_steps = _warmup_steps(settings, steps_per_epoch)
    warmup_rates = first_rate + (settings.lr - first_rate) * (steps + 1) / max(warmup_steps, 1)
    return np.where(steps < warmup_steps, warmup_rates, rates).astype(np.float32)


def bias_learning_rates(settings: ScheduleSettings, steps_per_epoch: int) -> np.ndarray:
    """Return `learning_rates` of the biases, which warm up from `warmup_bias_lr`."""
    return learning_rates(settings, steps_per_epoch, settings.warmup_bias_lr)


def warmup_momenta(settings: ScheduleSettings, momentum: float, steps_per_epoch: int) -> np.ndarray:
    """Return the momentum of each step of the warm-up, float32 [steps], which rises linearly to `momentum`.

    Empty if `warmup_momentum` is 0: the momentum is then constant.
    """
    steps = _warmup_steps(settings, steps_per_epoch) if settings.warmup_momentum else 0
    share = np.arange(1, steps + 1) / max(steps, 1)
    return (settings.warmup_momentum + (momentum - settings.warmup_momentum) * share).astype(np.float32)


def _warmup_steps(settings: ScheduleSettings, steps_per_epoch: int) -> int:
    return round(settings.warmup_epochs * steps_per_epoch)
