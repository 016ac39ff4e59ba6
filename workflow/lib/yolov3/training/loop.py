"""The training loop."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor

from yolov3.distributed.worker import Rank, statistics_of_master, sum_over_ranks
from yolov3.errors import InputError
from yolov3.network.grid import prediction_grid
from yolov3.network.yolo import YOLOv3
from yolov3.terminal import RESULT, progress_bar
from yolov3.training.accumulation import AccumulatedStep, OverflowGuard, new_scaler
from yolov3.training.average import WeightAverage, averaged_weights
from yolov3.training.batches import BatchSource, batches
from yolov3.training.loss import YoloLoss
from yolov3.training.metrics_log import MetricsLog, StepMetrics
from yolov3.training.optimizer import new_optimizer
from yolov3.training.profiler import log_profile, no_profile, profiled_steps
from yolov3.training.results import TrainFiles, write_results
from yolov3.training.schedule import bias_learning_rates, learning_rates, warmup_momenta, warn_of_cosine_period
from yolov3.training.settings import TrainSettings
from yolov3.training.state import Progress, load_state, save_state, set_aside, training_identity
from yolov3.training.step import ForwardLoss, TrainStep, set_training
from yolov3.training.watching import Moment, Watcher
from yolov3.weights.checkpoint import save_checkpoint

Validate = Callable[[YOLOv3], dict[str, float]]
"""Evaluates the network, called by all ranks, and returns its metrics AP and AP50."""


def train(
    network: YOLOv3,
    source: BatchSource,
    settings: TrainSettings,
    files: TrainFiles,
    rank: Rank,
    origin: dict[str, Any],
    validate: Validate | None = None,
    open_watchers: Callable[[], Sequence[Watcher]] = tuple,
    kernel_library: Path | None = None,
) -> None:
    """Train `network` and write the results; resume from the last state of the same training if there is one.

    Args:
        network: network with its initial weights.
        source: training data of this rank.
        settings: see `TrainSettings`.
        files: output files.
        rank: position of this process among those that train together.
        origin: fingerprints of the data and of the initial weights, and settings of the validation, which also
            determine the result.
        validate: function that evaluates the network every `eval_interval` epochs.
        open_watchers: returns what watches the training on rank 0. It is called after the training's identity has been
            taken, so that the modules that it imports do not count.
        kernel_library: see `ForwardLoss`.

    Raises:
        InputError: the loss is NaN or infinite.
    """
    steps_per_epoch = source.new_sampler().steps_per_epoch
    rates = learning_rates(settings.schedule, steps_per_epoch)
    if rank.is_master:
        warn_of_cosine_period(settings.schedule)
    loss = YoloLoss(network.settings.num_classes, settings.loss)
    train_step = _new_step(network, loss, rates, settings, rank, steps_per_epoch, kernel_library)
    average = train_step.average

    identity = training_identity(settings, network.settings, rank.group_size, origin)
    loaded, reason = load_state(files.resume, train_step, identity)
    progress = loaded or Progress(step=0, best_ap=-1.0, best_epoch=0, validation=[], seconds=0.0)
    if loaded:
        logging.log(RESULT, "resuming from %s after %d of %d steps", files.resume, progress.step, len(rates))
    if rank.group_size > 1:
        # This also waits until all ranks have read rank 0's state, so that it can be set aside.
        _require_equal_steps(progress.step, rank)
    if not loaded and files.state.exists():
        set_aside(files.state.parent, reason)
    is_saving = rank.is_master or not settings.is_save_on_master

    loop = _Loop(train_step, source, settings, rank, rates, steps_per_epoch)
    metrics = MetricsLog(files.running_metrics, progress.step, loss.term_names) if rank.is_master else None
    started = time.perf_counter() - progress.seconds
    checkpoint_interval = settings.ckpt_interval or steps_per_epoch
    watchers = open_watchers() if rank.is_master else ()

    def show(steps_done: int, logged: StepMetrics | None = None) -> None:
        seconds = time.perf_counter() - started
        for watch in watchers:
            watch(Moment(steps_done, len(rates), steps_per_epoch, logged, progress.validation, seconds))

    show(progress.step)
    is_profiled = settings.need_profiler and rank.is_master
    with profiled_steps(files.profile, settings.device_target) if is_profiled else no_profile() as end_step:
        for step, loss_terms, logged in loop.run(progress.step, metrics):
            end_step()
            steps_done = step + 1
            epoch, steps_in_epoch = divmod(steps_done, steps_per_epoch)
            is_last = steps_done == len(rates)
            is_validated = not steps_in_epoch and (is_last or epoch % max(1, settings.eval_interval) == 0)
            if validate and is_validated:
                with averaged_weights(average), statistics_of_master(network, rank):
                    _validate(
                        validate,
                        network,
                        train_step,
                        steps_done,
                        steps_per_epoch,
                        progress,
                        files.best if is_saving else None,
                    )
            progress.step, progress.seconds = steps_done, time.perf_counter() - started
            if is_saving and (steps_done % checkpoint_interval == 0 or is_last):
                if not loop.has_left_out:
                    require_finite_loss(loss_terms.asnumpy(), step, steps_per_epoch)
                save_state(files.state, train_step, identity, progress)
            show(steps_done, logged)
            if validate and is_validated and _has_converged(progress, epoch, settings.patience):
                break
    if is_profiled:
        log_profile(files.profile)
    if is_saving:
        with averaged_weights(average):
            speed, skipped = loop.mean_images_per_second, loop.overflows.count if loop.overflows else 0
            write_results(network, settings, files, rank, progress, speed, skipped)


def _new_step(
    network: YOLOv3,
    loss: YoloLoss,
    rates: np.ndarray,
    settings: TrainSettings,
    rank: Rank,
    steps_per_epoch: int,
    kernel_library: Path | None,
) -> TrainStep | AccumulatedStep:
    """Create the step of a training with the learning rates of its steps, float32 [steps]."""
    schedule, optimization = settings.schedule, settings.optimizer
    is_dynamic = optimization.loss_scaler == "dynamic"
    loss_scale = new_scaler(optimization.loss_scale) if is_dynamic else optimization.loss_scale
    sync_ranks = rank.group_size if settings.sync_batch_norm else 1
    forward = ForwardLoss(network, loss, loss_scale, settings.amp_level, sync_ranks, kernel_library)
    bias_rates = bias_learning_rates(schedule, steps_per_epoch) if schedule.warmup_bias_lr else None
    optimizer = new_optimizer(network, rates, optimization, bias_rates)
    average = WeightAverage(network, optimization.ema_epochs * steps_per_epoch) if optimization.ema_epochs else None
    arguments = (forward, optimizer, rank.group_size, optimization.gradient_clip, average)
    if settings.accumulation > 1 or is_dynamic:
        return AccumulatedStep(settings.accumulation, *arguments)
    return TrainStep(*arguments)


def _require_equal_steps(step: int, rank: Rank) -> None:
    if sum_over_ranks(step) != step * rank.group_size:
        raise InputError(
            f"rank {rank.number} resumes from step {step} but other ranks from other steps: set ckpt_path to a folder "
            "that all hosts share"
        )


def _has_converged(progress: Progress, epoch: int, patience: int) -> bool:
    """Return whether the best AP is `patience` epochs old, and say so in the log; patience 0 waits for ever."""
    if not patience or epoch - progress.best_epoch < patience:
        return False
    logging.log(
        RESULT,
        "the training ends at epoch %d: since epoch %d no validation had a better AP than %.4f (train.patience)",
        epoch,
        progress.best_epoch,
        progress.best_ap,
    )
    return True


def _validate(
    validate: Validate,
    network: YOLOv3,
    train_step: TrainStep | AccumulatedStep,
    steps_done: int,
    steps_per_epoch: int,
    progress: Progress,
    best: Path | None,
) -> None:
    """Evaluate the network, log and keep the result, and write the network to `best` if it is the best so far."""
    network.set_train(False)
    metrics = validate(network)
    set_training(train_step)
    epoch = steps_done // steps_per_epoch
    progress.validation.append({"epoch": epoch, "iter": steps_done, "AP": metrics["AP"], "AP50": metrics["AP50"]})
    logging.log(RESULT, "epoch[%d], validation AP:%.4f, AP50:%.4f", epoch - 1, metrics["AP"], metrics["AP50"])
    if metrics["AP"] > progress.best_ap:
        progress.best_ap, progress.best_epoch = metrics["AP"], epoch
        if best is not None:
            save_checkpoint(best, network, network.settings)


def require_finite_loss(loss_terms: np.ndarray, step: int, steps_per_epoch: int) -> None:
    """Raise InputError if one of the loss terms, float32 [terms], is NaN or infinite."""
    if not np.isfinite(loss_terms).all():
        raise InputError(
            f"the loss is {float(loss_terms.sum())} at epoch {step // steps_per_epoch}, iteration {step}: lower "
            "train.lr or raise train.warmup_epochs, and with float16 (train.amp_level) set train.loss_scaler to "
            "dynamic; the last checkpoint before it is kept"
        )


class _Overflows:
    """Watches a guard for steps that it leaves out."""

    def __init__(self, guard: OverflowGuard) -> None:
        self.guard = guard
        self.count, self.scale = self._read()

    def _read(self) -> tuple[int, float]:
        return int(self.guard.skipped.asnumpy()[0]), float(self.guard.scale.asnumpy())

    def check(self, step: int, is_logged: bool) -> bool:
        """Return whether the step was left out, and say so in the log.

        Raises:
            InputError: the gradients overflow although the loss scale is at its minimum.
        """
        (count_before, scale_before), (self.count, self.scale) = (self.count, self.scale), self._read()
        if self.count == count_before:
            return False
        if self.scale == scale_before:
            raise InputError(
                f"gradients are not finite at iteration {step} although the loss scale is {self.scale:g}, its minimum: "
                "lower train.lr, raise train.warmup_epochs or set train.amp_level to O0; the last checkpoint is kept"
            )
        if is_logged:
            logging.warning(
                "iteration %d is left out because its gradients are not finite: the loss scale is now %g",
                step,
                self.scale,
            )
        return True


class _Speed:
    """Measures images per second."""

    def __init__(self, images_per_step: int) -> None:
        self.images_per_step = images_per_step
        self.first_step, self.clock = 0, 0.0

    def start(self, step: int) -> None:
        self.first_step, self.clock = step, time.perf_counter()

    def since_start(self, step: int) -> float:
        return self.images_per_step * (step - self.first_step) / (time.perf_counter() - self.clock)


class _Loop:
    """Runs training steps, logs every `log_interval`-th, and measures the speed."""

    def __init__(
        self,
        train_step: TrainStep | AccumulatedStep,
        source: BatchSource,
        settings: TrainSettings,
        rank: Rank,
        rates: np.ndarray,
        steps_per_epoch: int,
    ) -> None:
        self.train_step = train_step
        self.source = source
        self.settings = settings
        self.rank = rank
        self.rates = rates
        self.steps_per_epoch = steps_per_epoch
        self.mean_images_per_second = 0.0
        self.momenta = warmup_momenta(settings.schedule, settings.optimizer.momentum, steps_per_epoch)
        guard = train_step.guard if isinstance(train_step, AccumulatedStep) else None
        self.overflows = _Overflows(guard) if guard is not None else None
        # Whether the last step was; then its loss may be infinite, without harm to the weights.
        self.has_left_out = False
        self._grids: dict[tuple[int, int], Tensor] = {}

    def run(self, first_step: int, metrics: MetricsLog | None) -> Iterator[tuple[int, Tensor, StepMetrics | None]]:
        """Yield (step, loss terms as a tensor, float32 [terms], its metrics if they were logged) after each step."""
        images_per_step = self.settings.per_batch_size * self.settings.accumulation * self.rank.group_size
        set_training(self.train_step)
        data = batches(self.source, first_step, len(self.rates), self.settings.loader_workers)
        is_shown = None if self.rank.is_master else True
        bar = progress_bar(total=len(self.rates), initial=first_step, unit="step", disable=is_shown)
        run_speed, recent_speed = _Speed(images_per_step), _Speed(images_per_step)
        with bar:
            for step, batch in enumerate(data, first_step):
                if step < len(self.momenta):
                    self.train_step.optimizer.momentum.set_data(Tensor(self.momenta[step]))
                targets = map(Tensor, batch.targets)
                loss_terms = self.train_step(Tensor(batch.images), self._grid(batch.input_size), *targets)
                if self.train_step.average is not None:
                    self.train_step.average.follow(step + 1)
                if self.overflows is not None:
                    self.has_left_out = self.overflows.check(step, self.rank.is_master)
                if step == first_step:
                    # The first step includes compilation, so the speed is measured from the second.
                    loss_terms.asnumpy()
                    run_speed.start(step)
                    recent_speed.start(step)
                logged = None
                if step % self.settings.log_interval == 0 or step == len(self.rates) - 1:
                    values = loss_terms.asnumpy()
                    if not self.has_left_out:
                        require_finite_loss(values, step, self.steps_per_epoch)
                    speed, self.mean_images_per_second = recent_speed.since_start(step), run_speed.since_start(step)
                    recent_speed.start(step)
                    if metrics is not None and np.isfinite(values).all():
                        logged = self._log(step, values, speed, metrics)
                    bar.set_postfix_str(f"loss {values.sum():.3f}, {speed:.1f} images/s", refresh=False)
                yield step, loss_terms, logged
                bar.update()

    def _log(self, step: int, loss_terms: np.ndarray, speed: float, metrics: MetricsLog) -> StepMetrics:
        epoch, rate = step // self.steps_per_epoch, float(self.rates[step])
        total = float(loss_terms.astype(np.float64).sum())
        logging.info("epoch[%d], iter[%d], loss:%.6f, %.2f imgs/sec, lr:%.5g", epoch, step, total, speed, rate)
        terms = dict(zip(metrics.term_names, loss_terms.tolist(), strict=True))
        logged = StepMetrics(epoch, step, total, terms, rate, speed)
        metrics.append(logged)
        return logged

    def _grid(self, input_size: tuple[int, int]) -> Tensor:
        if input_size not in self._grids:
            self._grids[input_size] = Tensor(np.array(prediction_grid(input_size, self.source.anchors)))
        return self._grids[input_size]
