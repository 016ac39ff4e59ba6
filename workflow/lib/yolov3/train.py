"""The training loop."""

import dataclasses
import logging
import math
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mindspore
import numpy as np
from mindspore import Tensor
from tqdm import tqdm

from yolov3.augment import AugmentSettings
from yolov3.batches import BatchSource, batches
from yolov3.checkpoint import save_checkpoint
from yolov3.errors import InputError
from yolov3.files import complete_file, write_json
from yolov3.grid import prediction_grid
from yolov3.loss import YoloLoss
from yolov3.metrics_log import MetricsLog, StepMetrics
from yolov3.network_settings import ANCHORS_PER_STRIDE, STRIDES
from yolov3.runtime import Worker
from yolov3.schedule import ScheduleSettings, learning_rates
from yolov3.train_step import ForwardLoss, OptimizerSettings, TrainStep, new_optimizer
from yolov3.training_state import Progress, load_state, run_fingerprint, save_state
from yolov3.yolo import YOLOv3

Validate = Callable[[YOLOv3], dict[str, float]]
"""Evaluates the network and returns at least AP and AP50."""


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training; the fields are the config's keys of the same names, parts in their own classes."""

    seed: int
    device_target: str
    per_batch_size: int
    training_shape: str | int
    resize_rate: int
    max_epoch: int
    max_box: int
    label_smooth: int
    label_smooth_factor: float
    objectness_prior: float
    loader_workers: int
    log_interval: int
    ckpt_interval: int
    is_save_on_master: int
    eval_interval: int
    schedule: ScheduleSettings
    optimizer: OptimizerSettings
    augment: AugmentSettings

    def deciding_values(self) -> dict[str, Any]:
        """Return the settings that decide the result; how often it is logged or saved does not."""
        values = dataclasses.asdict(self)
        for name in ("loader_workers", "log_interval", "ckpt_interval", "is_save_on_master"):
            del values[name]
        return values


@dataclass(frozen=True)
class TrainFiles:
    """Files of a training in its output folder.

    Attributes:
        checkpoint: the result.
        metrics: CSV of the logged steps.
        summary: JSON of what was run.
        state: what a killed training resumes from; undeclared to the workflow, so that it survives a rerun.
        best: best checkpoint so far.
        running_metrics: CSV of the running training.
    """

    checkpoint: Path
    metrics: Path
    summary: Path
    state: Path
    best: Path
    running_metrics: Path

    @classmethod
    def under(cls, folder: Path, worker: Worker) -> "TrainFiles":
        """Return the files of a worker; those of rank 0 are the result."""
        results = folder if worker.is_master else folder / f"rank_{worker.rank}"
        running = results / "checkpoints"
        return cls(
            checkpoint=results / "yolov3.ckpt",
            metrics=results / "metrics.csv",
            summary=results / "train.json",
            state=running / "last.ckpt",
            best=running / "best.ckpt",
            running_metrics=running / "metrics.csv",
        )


def train(
    network: YOLOv3,
    source: BatchSource,
    settings: TrainSettings,
    files: TrainFiles,
    worker: Worker,
    identity: dict[str, Any],
    validate: Validate | None = None,
) -> None:
    """Train `network` and write the results; go on from the last state of the same run if there is one.

    Args:
        network: with its initial weights.
        source: the training data of this worker.
        settings: see `TrainSettings`.
        files: where to write.
        worker: this process among those that train together.
        identity: what else decides the result: fingerprints of data and initial weights.
        validate: evaluates the network, every `eval_interval` epochs.

    Raises:
        InputError: the loss is NaN or infinite.
    """
    steps_per_epoch = source.new_sampler().steps_per_epoch
    rates = learning_rates(settings.schedule, steps_per_epoch)
    smoothing = settings.label_smooth_factor if settings.label_smooth else 0.0
    forward = ForwardLoss(network, YoloLoss(network.settings.num_classes, smoothing), settings.optimizer.loss_scale)
    train_step = TrainStep(forward, new_optimizer(network, rates, settings.optimizer), worker.group_size)

    deciding = {**settings.deciding_values(), **identity, "network": network.settings.to_json()}
    fingerprint = run_fingerprint({**deciding, "workers": worker.group_size})
    progress = load_state(files.state, train_step, fingerprint)
    if progress is None:
        progress = Progress(step=0, best_ap=-1.0, best_epoch=0, validation=[], seconds=0.0)
    else:
        logging.info("resuming from %s after %d of %d steps", files.state, progress.step, len(rates))
    saves = worker.is_master or not settings.is_save_on_master

    loop = _Loop(train_step, source, settings, worker, rates, steps_per_epoch)
    metrics = MetricsLog(files.running_metrics, progress.step) if worker.is_master else None
    started = time.perf_counter() - progress.seconds
    checkpoint_interval = settings.ckpt_interval or steps_per_epoch
    for step, parts in loop.run(progress.step, metrics):
        done = step + 1
        epoch_ends = done % steps_per_epoch == 0
        validates = validate and settings.eval_interval and epoch_ends
        if validates and (done // steps_per_epoch) % settings.eval_interval == 0 and worker.is_master:
            assert validate is not None
            _validate(validate, network, done, steps_per_epoch, progress, files.best)
        if saves and (done % checkpoint_interval == 0 or done == len(rates)):
            refuse_broken_loss(parts.asnumpy(), step, steps_per_epoch)
            progress.step, progress.seconds = done, time.perf_counter() - started
            save_state(files.state, train_step, fingerprint, progress)
    if saves:
        _write_results(network, settings, files, worker, progress, loop.images_per_second)


def _validate(
    validate: Validate, network: YOLOv3, done: int, steps_per_epoch: int, progress: Progress, best: Path
) -> None:
    network.set_train(False)
    found = validate(network)
    network.set_train(True)
    epoch = done // steps_per_epoch
    progress.validation.append({"epoch": epoch, "iter": done, "AP": found["AP"], "AP50": found["AP50"]})
    logging.info("epoch[%d], validation AP:%.4f, AP50:%.4f", epoch - 1, found["AP"], found["AP50"])
    if found["AP"] > progress.best_ap:
        progress.best_ap, progress.best_epoch = found["AP"], epoch
        save_checkpoint(best, network, network.settings)


def refuse_broken_loss(parts: np.ndarray, step: int, steps_per_epoch: int) -> None:
    """Raise InputError if a part of the loss, float32 [4], is NaN or infinite."""
    if not np.isfinite(parts).all():
        raise InputError(
            f"the loss is {float(parts.sum())} at epoch {step // steps_per_epoch}, iteration {step}: lower train.lr or "
            "raise train.warmup_epochs; the last checkpoint before it is kept"
        )


class _Loop:
    """Runs steps, logs some of them, and measures the speed."""

    def __init__(
        self,
        train_step: TrainStep,
        source: BatchSource,
        settings: TrainSettings,
        worker: Worker,
        rates: np.ndarray,
        steps_per_epoch: int,
    ) -> None:
        self.train_step = train_step
        self.source = source
        self.settings = settings
        self.worker = worker
        self.rates = rates
        self.steps_per_epoch = steps_per_epoch
        self.images_per_second = 0.0
        self._grids: dict[tuple[int, int], Tensor] = {}

    def run(self, first_step: int, metrics: MetricsLog | None) -> Iterator[tuple[int, Tensor]]:
        """Yield (step, parts of the loss as a tensor) after each step."""
        images_per_step = self.settings.per_batch_size * self.worker.group_size
        self.train_step.set_train(True)
        data = batches(self.source, first_step, len(self.rates), self.settings.loader_workers)
        bar = tqdm(
            total=len(self.rates),
            initial=first_step,
            unit="step",
            disable=None if self.worker.is_master else True,
            dynamic_ncols=True,
        )
        speed_clock, speed_step = time.perf_counter(), first_step
        with bar:
            for step, batch in enumerate(data, first_step):
                parts = self.train_step(Tensor(batch.images), self._grid(batch.input_size), *map(Tensor, batch.targets))
                if step == first_step:
                    # The first step waits for the compiler; the speed counts from the second.
                    parts.asnumpy()
                    speed_clock, speed_step = time.perf_counter(), step
                if step % self.settings.log_interval == 0 or step == len(self.rates) - 1:
                    values = parts.asnumpy()
                    refuse_broken_loss(values, step, self.steps_per_epoch)
                    now = time.perf_counter()
                    if step > speed_step:
                        self.images_per_second = images_per_step * (step - speed_step) / (now - speed_clock)
                    speed_clock, speed_step = now, step
                    if metrics is not None:
                        self._log(step, values, metrics)
                    bar.set_postfix_str(
                        f"loss {values.sum():.3f}, {self.images_per_second:.1f} images/s", refresh=False
                    )
                yield step, parts
                bar.update()

    def _log(self, step: int, parts: np.ndarray, metrics: MetricsLog) -> None:
        epoch, rate = step // self.steps_per_epoch, float(self.rates[step])
        total = float(parts.astype(np.float64).sum())
        logging.info(
            "epoch[%d], iter[%d], loss:%.6f, %.2f imgs/sec, lr:%.5g", epoch, step, total, self.images_per_second, rate
        )
        xy, wh, confidence, classes = map(float, parts)
        metrics.append(StepMetrics(epoch, step, total, xy, wh, confidence, classes, rate, self.images_per_second))

    def _grid(self, input_size: tuple[int, int]) -> Tensor:
        if input_size not in self._grids:
            self._grids[input_size] = Tensor(np.array(prediction_grid(input_size, self.source.anchors)))
        return self._grids[input_size]


def set_objectness_prior(network: YOLOv3, prior: float) -> None:
    """Set the head biases so that every prediction starts with confidence `prior` (0..1).

    Most predictions are background, so a low start spares the first thousand steps of a run from scratch.
    """
    for stride in STRIDES:
        bias = getattr(network, f"branch_{stride}").head.bias
        values = bias.asnumpy().reshape(ANCHORS_PER_STRIDE, network.settings.values_per_anchor)
        values[:, 4] = math.log(prior / (1 - prior))
        bias.set_data(Tensor(values.reshape(-1)))


def _write_results(
    network: YOLOv3,
    settings: TrainSettings,
    files: TrainFiles,
    worker: Worker,
    progress: Progress,
    images_per_second: float,
) -> None:
    if progress.best_epoch and files.best.exists():
        with complete_file(files.checkpoint) as temporary:
            shutil.copyfile(files.best, temporary)
    else:
        save_checkpoint(files.checkpoint, network, network.settings)
    if not worker.is_master:
        return
    with complete_file(files.metrics) as temporary:
        shutil.copyfile(files.running_metrics, temporary)
    write_json(files.summary, _summary(network, settings, worker, progress, images_per_second))
    # The training is over: the next one with the same settings is a wish to train again.
    shutil.rmtree(files.state.parent)


def _summary(
    network: YOLOv3, settings: TrainSettings, worker: Worker, progress: Progress, images_per_second: float
) -> dict[str, Any]:
    return {
        "device_target": settings.device_target,
        "versions": {
            "python": platform.python_version(),
            "mindspore": mindspore.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
        "platform": f"{platform.system()} {platform.machine()}",
        "settings": {**settings.deciding_values(), "argv": sys.argv[1:]},
        "seconds": round(progress.seconds, 1),
        "images_per_second": round(images_per_second, 2),
        "steps": progress.step,
        "parameters": sum(parameter.size for parameter in network.trainable_params()),
        "workers": worker.group_size,
        "validation": progress.validation,
        "best_epoch": progress.best_epoch or None,
    }
