"""The files that a training writes."""

import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mindspore
import numpy as np

from yolov3.distributed.worker import Rank
from yolov3.files import complete_file, write_json
from yolov3.network.yolo import YOLOv3
from yolov3.training.settings import TrainSettings
from yolov3.training.state import Progress
from yolov3.weights.checkpoint import save_checkpoint

RUNNING_FOLDER = "checkpoints"
STATE_NAME = "last.ckpt"


@dataclass(frozen=True)
class TrainFiles:
    """Files of a training in its output folder.

    Attributes:
        checkpoint: the trained network.
        metrics: CSV of the logged steps.
        summary: JSON of settings, versions, speed and validation results.
        state: state that this rank saves to resume from; not declared as a workflow output, so that reruns keep it.
        resume: state of rank 0, from which all ranks resume, because their own states may be of different steps.
        best: best checkpoint so far.
        running_metrics: CSV of the unfinished training.
        profile: folder of the profiles.
    """

    checkpoint: Path
    metrics: Path
    summary: Path
    state: Path
    resume: Path
    best: Path
    running_metrics: Path
    profile: Path

    @classmethod
    def under(cls, folder: Path, rank: Rank) -> "TrainFiles":
        """Return the files of a rank; those of rank 0 are the results of the training."""
        results = folder if rank.is_master else folder / f"rank_{rank.number}"
        running = results / RUNNING_FOLDER
        return cls(
            checkpoint=results / "yolov3.ckpt",
            metrics=results / "metrics.csv",
            summary=results / "train.json",
            state=running / STATE_NAME,
            resume=folder / RUNNING_FOLDER / STATE_NAME,
            best=running / "best.ckpt",
            running_metrics=running / "metrics.csv",
            profile=results / "profile",
        )


def write_results(
    network: YOLOv3,
    settings: TrainSettings,
    files: TrainFiles,
    rank: Rank,
    progress: Progress,
    images_per_second: float,
    skipped_steps: int,
) -> None:
    """Write the checkpoint (the best one, if evaluated), and on rank 0 metrics and summary; then delete the state."""
    if progress.best_epoch and files.best.exists():
        with complete_file(files.checkpoint) as temporary:
            shutil.copyfile(files.best, temporary)
    else:
        save_checkpoint(files.checkpoint, network, network.settings)
    if rank.is_master:
        with complete_file(files.metrics) as temporary:
            shutil.copyfile(files.running_metrics, temporary)
        write_json(files.summary, _summary(network, settings, rank, progress, images_per_second, skipped_steps))
    # A rerun after a finished training must train again, not resume.
    shutil.rmtree(files.state.parent)


def _summary(
    network: YOLOv3,
    settings: TrainSettings,
    rank: Rank,
    progress: Progress,
    images_per_second: float,
    skipped_steps: int,
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
        "settings": {**settings.config_values(), "argv": sys.argv[1:]},
        "seconds": round(progress.seconds, 1),
        "images_per_second": round(images_per_second, 2),
        "steps": progress.step,
        "skipped_steps": skipped_steps,
        "parameters": sum(parameter.size for parameter in network.trainable_params()),
        "workers": rank.group_size,
        "validation": progress.validation,
        "best_epoch": progress.best_epoch or None,
    }
