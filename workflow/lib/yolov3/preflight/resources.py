"""Compare the disk space and memory that a configuration needs with those of this host."""

from collections.abc import Iterator
from pathlib import Path

import psutil

from yolov3.data.coco import ARCHIVES, bytes_needed
from yolov3.errors import InputError
from yolov3.files import GIB, require_free_space
from yolov3.network.settings import STRIDES
from yolov3.preflight.settings import DOWNLOADS, NATIVE_STAGES, PreflightSettings

COCO_CLASSES = 80
VAL_IMAGES = {"coco2014": 40_504, "coco2017": 5_000}
# Size of the full network in float32, and channels of its last backbone stage.
FULL_NETWORK_BYTES, FULL_TOP_CHANNELS = 248_007_048, 1024
# How often a run stores the weights: state with moments, result, backbone, three exports, converted and int8 models.
COPIES_OF_WEIGHTS = 10
MAX_TRAINING_SHAPE = 608
# Memory of a training process besides six times its weights; of a process that prepares batches; and, on the CPU, per
# image of 416 px in the full network. Measured: 2.7 GiB with two images of 224 px, 3.25 GiB with six.
RANK_BYTES, LOADER_BYTES, IMAGE_BYTES_416 = GIB, GIB // 2, 0.46 * GIB
COPIES_IN_MEMORY = 6
BATCHES_AHEAD = 4


def _weight_bytes(settings: PreflightSettings) -> int:
    return int(FULL_NETWORK_BYTES * (settings.backbone_shape[-1] / FULL_TOP_CHANNELS) ** 2)


def missing_disk(settings: PreflightSettings, results_dir: Path, stages: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each file system with less free space than all its folders need together."""
    needs = []
    if "train" in stages:
        needs.append((results_dir, "checkpoints and models", COPIES_OF_WEIGHTS * _weight_bytes(settings)))
    # The size of other data sets is known only when they are checked; those stages check the space themselves.
    if settings.provider in ARCHIVES:
        needs += _coco_needs(settings, results_dir, stages)
    places: dict[int, tuple[Path, list[tuple[str, int]]]] = {}
    for folder, what, size in needs:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        places.setdefault(existing.stat().st_dev, (existing, []))[1].append((what, size))
    for existing, parts in places.values():
        listed = ", ".join(f"{what} {size / GIB:.1f}" for what, size in parts if size)
        advice = (
            "free some, move data.data_dir or the working directory to another disk, or set bins.bins_dtype to uint8"
        )
        try:
            require_free_space(existing, sum(size for _, size in parts), f"the workflow ({listed})", advice)
        except InputError as error:
            yield str(error)


def _coco_needs(
    settings: PreflightSettings, results_dir: Path, stages: frozenset[str]
) -> Iterator[tuple[Path, str, int]]:
    """Yield (folder, description of its content, bytes)."""
    if stages & DOWNLOADS:
        folder = Path(settings.data_dir) / settings.provider
        archives = ARCHIVES[settings.provider]
        missing_archives = [archive for archive in archives if not (folder / archive.folder).is_dir()]
        yield folder, "data set", bytes_needed(folder, missing_archives, settings.keep_archives)
    if "preprocess_bins" in stages:
        value_bytes = 4 if settings.bins_dtype == "float32" else 1
        size = VAL_IMAGES[settings.provider] * 3 * settings.testing_shape**2 * value_bytes
        yield results_dir, f"bins ({settings.bins_dtype})", size
    cells = sum((settings.testing_shape // stride) ** 2 for stride in STRIDES)
    raw_maps = VAL_IMAGES[settings.provider] * cells * 3 * (5 + COCO_CLASSES) * 4
    for stage in sorted(NATIVE_STAGES & stages):
        if settings.raw_maps and not (results_dir / stage / "result_Files").is_dir():
            yield results_dir, f"result_Files of {stage}", raw_maps


def missing_memory(settings: PreflightSettings) -> Iterator[str]:
    """Yield a sentence if this host has less memory than its training processes need."""
    ranks, loaders = settings.local_ranks, settings.loader_workers
    shape = int(settings.training_shape or MAX_TRAINING_SHAPE)
    images = settings.per_batch_size * settings.accumulation
    batches = (max(loaders, 1) + BATCHES_AHEAD) * images * 3 * shape**2
    # The sums of the gradients are one copy more.
    has_sums = settings.accumulation > 1 or settings.loss_scaler == "dynamic"
    copies = COPIES_IN_MEMORY + has_sums
    rank_bytes: float = RANK_BYTES + copies * _weight_bytes(settings) + loaders * LOADER_BYTES + batches
    if settings.device_target == "CPU":
        width = settings.backbone_shape[-1] / FULL_TOP_CHANNELS
        rank_bytes += settings.per_batch_size * IMAGE_BYTES_416 * (shape / 416) ** 2 * width
    needed = ranks * rank_bytes
    total = psutil.virtual_memory().total
    if needed > total:
        yield (
            f"this host has {total / GIB:.1f} GiB of memory but {ranks} ranks with {loaders} loaders each need "
            f"about {needed / GIB:.1f}: lower train.loader_workers, train.per_batch_size or train.group_size"
        )
