"""Train YOLOv3 in this process or, distributed, in several ranks.

    python workflow/scripts/train.py --manifest results/data/manifest.json --training_shape 416 --is_distributed 0

With --is_distributed 1 the script starts --group_size ranks with msrun, on this host or on --hosts; started by msrun,
it is one of the ranks.
"""

import argparse
import dataclasses
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from yolov3.config.options import add_options, settings_from
from yolov3.config.schema import section_schema
from yolov3.config.stage import run_stage, stage_parser
from yolov3.config.train_consistency import require_consistent_training
from yolov3.config.trained_input import training_input
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.distributed.msrun import is_launched
from yolov3.distributed.run import DistributedSettings, run_distributed
from yolov3.distributed.worker import bytes_of_ranks, start_runtime
from yolov3.errors import InputError
from yolov3.files import sha256_of
from yolov3.network.options import network_settings_from
from yolov3.network.yolo import YOLOv3
from yolov3.training.augment import AugmentSettings
from yolov3.training.batches import BatchSource, source_from
from yolov3.training.channels_last import operator_errors
from yolov3.training.loop import train
from yolov3.training.loss import LossSettings
from yolov3.training.optimizer import OptimizerSettings
from yolov3.training.results import TrainFiles
from yolov3.training.schedule import ScheduleSettings
from yolov3.training.settings import TrainSettings
from yolov3.training.step import freeze_backbone, set_objectness_prior
from yolov3.training.watching import Watcher
from yolov3.weights.checkpoint import load_for_finetuning, load_into


def main(argv: list[str] | None = None) -> int:
    """Run the stage and return its exit code."""
    parser = stage_parser(__doc__)
    add_manifest_options(parser)
    parser.add_argument("--pretrained_backbone", default="", help="checkpoint of the backbone; empty: random weights")
    parser.add_argument("--anchors_file", default="", help="clustered anchors, for --anchor_scales auto")
    parser.add_argument("--kernel_library", type=Path, help="built operators, for --cpu_kernels onednn")
    parser.add_argument("--rank_table", default="", help="rank table, for Ascend")
    parser.add_argument(
        "--node_rank",
        default="",
        help="index of this host in --hosts, to run only its part; empty: detected from its address",
    )
    parser.add_argument("--rank", type=int, default=0, help="taken as in the original code: the launcher counts ranks")
    parser.add_argument("--ckpt_path", type=Path, default=Path("outputs"), help="folder of the results")
    add_options(parser, "", only=("device_target", "seed"))
    add_options(parser, "network")
    add_options(parser, "train")
    add_options(parser, "eval")
    arguments = parser.parse_args(argv)
    if is_launched():
        # A launched process logs to its own file under workers/; the launcher writes the stage's log.
        arguments.log_file = ""
    words = sys.argv[1:] if argv is None else argv
    return run_stage(lambda parsed: run(parsed, words), arguments)


def run(arguments: argparse.Namespace, words: list[str]) -> None:
    """Start the ranks, or train as one of them."""
    values = {name: getattr(arguments, name) for name in section_schema("train")}
    require_consistent_training(values, bool(arguments.resume_yolov3 or arguments.pretrained_backbone))
    if arguments.is_distributed and not is_launched():
        run_ranks(arguments, words)
        return
    train_as_rank(arguments)


def run_ranks(arguments: argparse.Namespace, words: list[str]) -> None:
    """Start the ranks and wait for them."""
    settings = settings_from(DistributedSettings, arguments)
    try:
        run_distributed([str(Path(__file__).resolve()), *words], settings, arguments.ckpt_path / "workers")
    except (InputError, KeyboardInterrupt) as error:
        # A rank that fails ends the others, which cannot write anything any more.
        from yolov3.report.live import PAGE_NAME, mark_failed

        mark_failed(arguments.ckpt_path / PAGE_NAME, str(error) or "interrupted")
        raise


def train_as_rank(arguments: argparse.Namespace) -> None:
    """Train in this process.

    Raises:
        InputError: a file does not fit, or `group_size` is not that of this run.
    """
    rank = start_runtime(arguments.device_target, arguments.seed, bool(arguments.is_distributed))
    manifest = manifest_of(arguments)
    fitted = training_input(arguments.testing_shape, arguments.letterbox, arguments.training_shape)
    network = YOLOv3(network_settings_from(arguments, manifest.categories, arguments.anchors_file, **fitted))
    if arguments.objectness_prior:
        set_objectness_prior(network, arguments.objectness_prior)
    weights = Path(arguments.resume_yolov3 or arguments.pretrained_backbone)
    if arguments.resume_yolov3:
        load_for_finetuning(weights, network)
    elif arguments.pretrained_backbone:
        load_into(weights, network, part="backbone")
    if arguments.freeze_backbone:
        freeze_backbone(network)

    source = source_from(arguments, manifest, network.settings.anchors, rank.number, rank.group_size)
    settings = settings_from(
        TrainSettings,
        arguments,
        schedule=settings_from(ScheduleSettings, arguments),
        optimizer=settings_from(OptimizerSettings, arguments),
        loss=settings_from(LossSettings, arguments),
        augment=settings_from(AugmentSettings, arguments),
    )
    validate, splits = None, ["train"]
    origin: dict[str, Any] = {"weights": sha256_of(weights) if weights.name else ""}
    if settings.eval_interval:
        if settings.patience and not manifest.split("val").boxes:
            raise InputError(
                f"train.patience is {settings.patience} but the validation images have no boxes, so that no AP can get "
                "better: set it to 0"
            )
        # Imported only here: without validation, an edit to the post-processing must not rerun the training.
        from yolov3.evaluation.evaluate import evaluation_settings_from
        from yolov3.evaluation.validation import Validator

        evaluation = evaluation_settings_from(arguments, fitted)
        share = (rank.number, rank.group_size)
        validate = Validator(manifest, evaluation, share, lambda data: bytes_of_ranks(data, rank))
        splits.append("val")
        origin["validation"] = dataclasses.asdict(evaluation)
    origin["data"] = manifest.fingerprint(*splits)
    files = TrainFiles.under(arguments.ckpt_path, rank)
    with ExitStack() as watching:

        def open_watchers() -> list[Watcher]:
            return watchers_of(arguments.ckpt_path, files, settings, source, network.settings.class_names, watching)

        library = kernel_library_of(arguments)
        with operator_errors():
            train(network, source, settings, files, rank, origin, validate, open_watchers, library)


def kernel_library_of(arguments: argparse.Namespace) -> Path | None:
    """Return the built operators that the training uses, None for those of MindSpore."""
    if arguments.cpu_kernels == "mindspore":
        return None
    if arguments.kernel_library is None:
        raise InputError(
            "--cpu_kernels is onednn: build workflow/scripts/build_training_kernels.py's library, and give it"
        )
    return arguments.kernel_library.resolve()


def watchers_of(
    folder: Path,
    files: TrainFiles,
    settings: TrainSettings,
    source: BatchSource,
    class_names: tuple[str, ...],
    watching: ExitStack,
) -> list[Watcher]:
    """Return what shows the running training; `watching` closes it."""
    # Imported only here: an edit to what a training shows must not rerun it.
    from yolov3.drawing.batches import preview_jpeg
    from yolov3.report.live import PAGE_NAME, LivePage

    page = LivePage(
        folder / PAGE_NAME, files.running_metrics, lambda max_width: preview_jpeg(source, class_names, max_width)
    )
    watchers: list[Watcher] = [watching.enter_context(page)]
    if settings.tensorboard:
        from yolov3.report.tensorboard import FOLDER_NAME, EventLog

        watchers.append(watching.enter_context(EventLog(folder / FOLDER_NAME)))
    return watchers


if __name__ == "__main__":
    sys.exit(main())
