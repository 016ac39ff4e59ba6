"""Learning rate of every step (SPEC 4)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScheduleSettings:
    """Fields are the config's `train` keys of the same names."""

    lr: float
    lr_scheduler: str
    lr_epochs: str
    lr_gamma: float
    eta_min: float
    T_max: int
    max_epoch: int
    warmup_epochs: float


def learning_rates(settings: ScheduleSettings, steps_per_epoch: int) -> np.ndarray:
    """Return the learning rate of each step, float32 [max_epoch * steps_per_epoch].

    Warm-up rises linearly from 0 and reaches `lr` with its last step; after it the schedule holds, by whole epochs.
    """
    steps = np.arange(settings.max_epoch * steps_per_epoch)
    epochs = steps // steps_per_epoch
    if settings.lr_scheduler == "cosine_annealing":
        wave = (1 + np.cos(np.pi * epochs / settings.T_max)) / 2
        rates = settings.eta_min + (settings.lr - settings.eta_min) * wave
    else:
        milestones = [int(epoch) for epoch in settings.lr_epochs.split(",")]
        rates = settings.lr * settings.lr_gamma ** np.searchsorted(milestones, epochs, side="right")
    warmup_steps = round(settings.warmup_epochs * steps_per_epoch)
    rising = settings.lr * (steps + 1) / max(warmup_steps, 1)
    return np.where(steps < warmup_steps, rising, rates).astype(np.float32)
