"""Export a network as MindIR, ONNX or AIR, and compare each file with the network on real images."""

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mindspore
import mindspore.onnx
import numpy as np
from mindspore import Tensor, nn

from yolov3.data.annotations import CocoSplit
from yolov3.data.images import read_image_rgb
from yolov3.errors import InputError
from yolov3.export.decoder import DetectionDecoder
from yolov3.export.description import ModelDescription
from yolov3.export.folding import folded_network
from yolov3.export.onnx_file import read_onnx, tidy_export, write_onnx
from yolov3.export.runners import Outputs, mindir_runner, onnx_runner
from yolov3.files import complete_file, sha256_of
from yolov3.network.preprocess import normalise, place_image
from yolov3.network.settings import STRIDES, MeanStd
from yolov3.network.yolo import YOLOv3

SUFFIXES = {"MINDIR": ".mindir", "ONNX": ".onnx", "AIR": ".air"}
# AIR cannot be run here: it needs compilation for Ascend first.
RUNNERS = {"MINDIR": mindir_runner, "ONNX": onnx_runner}
INPUT_NAME = "images"
# Float32 rounding gives differences of about 1e-6 of the largest value, a wrong layer or weight far more than this.
MAX_RELATIVE_DIFFERENCE = 1e-3


@dataclass(frozen=True)
class ExportSettings:
    """How to export.

    Attributes:
        file_format: one or more of MINDIR, ONNX and AIR, separated by commas.
        file_name: name of the files without suffix.
        keep_detect: whether to export decoded outputs (`DetectionDecoder`) instead of raw maps.
        export_batch_size: number of images per run.
        testing_shape: height and width of the input in pixels, a multiple of 32.
        letterbox: whether images keep their aspect ratio and are padded.
    """

    file_format: str
    file_name: str
    keep_detect: bool
    export_batch_size: int
    testing_shape: int
    letterbox: bool


def formats_of(file_format: str, device_target: str) -> tuple[str, ...]:
    """Return the distinct formats of `file_format`, in order.

    Raises:
        InputError: a format is unknown, or is not supported on `device_target`.
    """
    formats = tuple(dict.fromkeys(word.strip().upper() for word in file_format.split(",") if word.strip()))
    for name in formats:
        if name not in SUFFIXES:
            raise InputError(f"file_format has {name}: choose from {', '.join(SUFFIXES)}")
    if not formats:
        raise InputError(f"file_format is empty: choose from {', '.join(SUFFIXES)}")
    if "AIR" in formats and device_target != "Ascend":
        raise InputError(
            f"file_format has AIR, which only MindSpore's Ascend back end writes, but device_target is "
            f"{device_target}: leave AIR out, or export on an Ascend host"
        )
    return formats


def input_batch(split: CocoSplit, mean_std: MeanStd, settings: ExportSettings) -> np.ndarray:
    """Return the first images of a split as network input, float32 [N, 3, H, W], repeated if there are too few."""
    input_size = (settings.testing_shape, settings.testing_shape)
    planes = []
    for position in range(settings.export_batch_size):
        index = position % len(split)
        width, height = split.sizes_wh[index]
        image = read_image_rgb(split.path(index), (int(width), int(height)))
        planes.append(normalise(place_image(image, input_size, settings.letterbox)[0], mean_std))
    return np.stack(planes)


def export_network(
    network: YOLOv3,
    category_ids: tuple[int, ...],
    settings: ExportSettings,
    formats: tuple[str, ...],
    images: np.ndarray,
    output_dir: Path,
) -> list[dict[str, Any]]:
    """Write <output_dir>/<file_name>.<suffix> in each format, with a description beside each.

    Args:
        network: network in inference mode.
        category_ids: COCO category id of each class.
        settings: see `ExportSettings`.
        formats: result of `formats_of`.
        images: float32 [N, 3, H, W], images on which to compare file and network.
        output_dir: folder of the files.

    Returns:
        For each file its format, name, bytes, SHA-256, and largest and relative difference (None for AIR).

    Raises:
        InputError: the outputs of a file differ from the network's; the file is not written.
    """
    input_size = (settings.testing_shape, settings.testing_shape)
    description = ModelDescription(
        input_size=input_size,
        batch_size=settings.export_batch_size,
        input_name=INPUT_NAME,
        anchors=network.settings.anchors,
        class_names=network.settings.class_names,
        category_ids=category_ids,
        letterbox=settings.letterbox,
        keep_detect=settings.keep_detect,
        **dataclasses.asdict(network.settings.mean_std),
    )

    def with_outputs(raw_network: YOLOv3) -> nn.Cell:
        cell = DetectionDecoder(raw_network, input_size) if settings.keep_detect else raw_network
        return cell.set_train(False)

    expected = tuple(output.asnumpy() for output in with_outputs(network)(Tensor(images)))
    exported = with_outputs(folded_network(network))
    written = []
    for name in formats:
        path = output_dir / f"{settings.file_name}{SUFFIXES[name]}"
        with complete_file(path) as temporary, _plainly_named(temporary) as plain:
            if name == "ONNX":
                _export_onnx(exported, images, plain, settings.keep_detect)
            else:
                mindspore.export(exported, Tensor(images), file_name=str(plain), file_format=name)
            entry: dict[str, Any] = {"format": name, "file": path.name}
            entry |= {"largest_difference": None, "relative_difference": None}
            if name in RUNNERS:
                difference = difference_of(expected, RUNNERS[name](plain)(images))
                require_close(difference, path)
                entry |= {
                    "largest_difference": difference.largest,
                    "relative_difference": difference.relative,
                }
            entry |= {"bytes": plain.stat().st_size, "sha256": sha256_of(plain)}
        description.write(path)
        written.append(entry)
    return written


@contextmanager
def _plainly_named(path: Path) -> Iterator[Path]:
    """Yield a path whose name MindSpore accepts (letters, digits and _-. only); copy the file to `path` at the end."""
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        plain = Path(folder) / f"model{path.suffix}"
        yield plain
        shutil.copyfile(plain, path)


def _export_onnx(cell: nn.Cell, images: np.ndarray, path: Path, keep_detect: bool) -> None:
    kind = "decoded" if keep_detect else "raw"
    mindspore.onnx.export(
        cell,
        Tensor(images),
        file_name=str(path),
        input_names=[INPUT_NAME],
        output_names=[f"{kind}_{stride}" for stride in STRIDES],
    )
    model = read_onnx(path)
    tidy_export(model)
    write_onnx(path, model)


@dataclass(frozen=True)
class Difference:
    """Difference of two sets of outputs.

    Attributes:
        largest: largest absolute difference of two values.
        relative: the same after division of each output by its largest absolute value.
    """

    largest: float
    relative: float


def difference_of(expected: Outputs, actual: Outputs) -> Difference:
    """Compare outputs pairwise; the difference is infinite if shapes differ or a value is NaN or infinite."""
    if [output.shape for output in expected] != [output.shape for output in actual]:
        return Difference(np.inf, np.inf)
    largest = [float(np.abs(a - b).max()) for a, b in zip(expected, actual, strict=True)]
    if not np.isfinite(largest).all():
        return Difference(np.inf, np.inf)
    scales = [max(float(np.abs(output).max()), 1e-6) for output in expected]
    return Difference(max(largest), max(value / scale for value, scale in zip(largest, scales, strict=True)))


def require_close(difference: Difference, path: Path) -> None:
    """Raise InputError if the outputs of an exported file differ from the network's by more than rounding."""
    if not difference.relative <= MAX_RELATIVE_DIFFERENCE:
        raise InputError(
            f"model {path} differs from its network by {difference.largest:.3g}, {difference.relative:.3g} of the "
            f"largest output, where {MAX_RELATIVE_DIFFERENCE:g} is allowed: this MindSpore version does not export "
            "the network correctly, use a version listed in envs/"
        )
