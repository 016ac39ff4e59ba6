"""Settings of a training."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from yolov3.training.augment import AugmentSettings
from yolov3.training.loss import LossSettings
from yolov3.training.optimizer import OptimizerSettings
from yolov3.training.schedule import ScheduleSettings


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training; the fields, also of the nested classes, are config keys of the same names."""

    seed: int
    device_target: str
    per_batch_size: int
    accumulation: int
    training_shape: str | int
    resize_rate: int
    max_epoch: int
    max_box: int
    assignment_iou: float
    use_empty_images: int
    objectness_prior: float
    freeze_backbone: int
    sync_batch_norm: int
    amp_level: str
    cpu_kernels: str
    loader_workers: int
    log_interval: int
    ckpt_interval: int
    is_save_on_master: int
    eval_interval: int
    patience: int
    need_profiler: int
    tensorboard: int
    schedule: ScheduleSettings
    optimizer: OptimizerSettings
    loss: LossSettings
    augment: AugmentSettings

    def config_values(self) -> dict[str, Any]:
        """Return all settings by config key."""
        values = dataclasses.asdict(self)
        nested = [values.pop(name) for name in ("schedule", "optimizer", "loss", "augment")]
        return {**values, **{key: value for part in nested for key, value in part.items()}}
