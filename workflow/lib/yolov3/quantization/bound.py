"""Quantize a network within a bound on the loss of AP, and tell what was tried."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from yolov3.export.description import ModelDescription
from yolov3.export.onnx_file import read_onnx, write_onnx
from yolov3.quantization.accuracy import SearchImages
from yolov3.quantization.calibration import CalibrationFolder
from yolov3.quantization.equalization import equalize_weights
from yolov3.quantization.search import Attempt, Int8Settings, SearchResult, search_int8
from yolov3.quantization.sensitivity import LayerSensitivity, layer_sensitivities
from yolov3.terminal import progress_bar

QUANT_METHODS = ("MAX_MIN", "KL", "REMOVAL_OUTLIER")
# What is tried before layers are kept in float: none of it changes the size or speed of the model.
ALTERNATIVES: tuple[dict[str, Any], ...] = (
    *({"method": method} for method in QUANT_METHODS),
    {"equalize": True},
    {"calibration_share": 0.5},
)
MSLITE_ALTERNATIVES: tuple[dict[str, Any], ...] = (*ALTERNATIVES, {"bias_correction": False})

# Quantizes a model to a file by settings with layers in float, given as patterns; returns details for the report.
Quantize = Callable[[Path, CalibrationFolder, Path, Int8Settings, str], dict[str, Any]]


@dataclass(frozen=True)
class Bound:
    """The bound, and how it is measured.

    Attributes:
        max_drop: largest loss of AP.
        images: images to measure models on.
        program: native program, which runs MindSpore Lite's models.
    """

    max_drop: float
    images: SearchImages
    program: Path | None


def quantize_within_bound(
    model: Path,
    output: Path,
    calibration: CalibrationFolder,
    method: str,
    skip_layers: str,
    quantize: Quantize,
    bound: Bound,
) -> tuple[str, dict[str, Any]]:
    """Write the int8 model with the fewest layers in float whose loss of AP is within the bound, or the best one.

    Args:
        model: exported ONNX file with a description beside it.
        output: file to write.
        calibration: images on which the activations' ranges are measured.
        method: the preferred method.
        skip_layers: patterns of layers that stay in float in any case.
        quantize: the back end.
        bound: the bound and how to measure it.

    Returns:
        Its settings as text, and its details for the report with those of the search.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    float_ap, float_ms = bound.images.measure(model, bound.program)
    sensitivities: list[LayerSensitivity] = []
    description = ModelDescription.read(model)
    with tempfile.TemporaryDirectory(prefix=".search-", dir=output.parent) as folder:

        def attempt(settings: Int8Settings, float_layers: tuple[str, ...]) -> Attempt:
            candidate = Path(tempfile.mkdtemp(dir=folder)) / output.name
            images = _share_of(calibration, settings.calibration_share)
            prepared = _prepared(model, candidate.parent, settings)
            details = quantize(prepared, images, candidate, settings, ",".join(float_layers))
            description.write(candidate)
            ap, image_ms = bound.images.measure(candidate, bound.program)
            return Attempt(settings, tuple(details["layers_kept_float"]), ap, image_ms, candidate, details)

        def ranked_layers() -> list[str]:
            sensitivities.extend(_measured_sensitivities(model, calibration))
            return [layer.name for layer in sensitivities]

        alternatives = MSLITE_ALTERNATIVES if output.suffix == ".ms" else ALTERNATIVES
        given = tuple(pattern.strip() for pattern in skip_layers.split(",") if pattern.strip())
        minimum = float_ap - bound.max_drop
        result = search_int8(attempt, Int8Settings(method), alternatives, given, ranked_layers, minimum)
        search = {
            "max_ap_drop": bound.max_drop,
            "images": len(bound.images.split),
            "float_AP": float_ap,
            # MindSpore Lite's models are measured in the native program, but the float model in ONNX Runtime.
            "float_image_ms": float_ms if output.suffix == ".onnx" else None,
            **_summary(result),
            "sensitivities": [asdict(layer) for layer in sensitivities],
        }
        chosen = result.chosen
        chosen.model.replace(output)
    if not result.is_enough:
        logging.warning(
            "no int8 model loses at most %g AP on %d training images: the best one found loses %.4f with %d layers in "
            "float; a training with more epochs or more calibration_images may help",
            *(bound.max_drop, len(bound.images.split), float_ap - chosen.ap, len(chosen.float_layers)),
        )
    return str(chosen.settings), {**chosen.details, "search": search}


def _share_of(calibration: CalibrationFolder, share: float) -> CalibrationFolder:
    count = max(1, round(share * len(calibration)))
    return CalibrationFolder(calibration.files[:count], calibration.input_size)


def _prepared(model: Path, folder: Path, settings: Int8Settings) -> Path:
    """Return the model to quantize, with its description beside it."""
    if not settings.equalize:
        return model
    content, prepared = read_onnx(model), folder / f"equalised-{model.name}"
    equalize_weights(content)
    write_onnx(prepared, content)
    ModelDescription.read(model).write(prepared)
    return prepared


def _measured_sensitivities(model: Path, calibration: CalibrationFolder) -> list[LayerSensitivity]:
    logging.info("measuring how much each layer alone changes the outputs")
    with progress_bar() as bar:

        def show(done: int, layers: int) -> None:
            bar.total = layers
            bar.update(done - bar.n)

        return layer_sensitivities(model, calibration, show)


def _summary(result: SearchResult) -> dict[str, Any]:
    return {
        "is_kept": result.is_enough,
        "AP": result.chosen.ap,
        "image_ms": result.chosen.image_ms,
        "attempts": [
            {
                "settings": str(tried.settings),
                "float_layers": len(tried.float_layers),
                "AP": tried.ap,
                "bytes": tried.model_bytes,
                "image_ms": tried.image_ms,
            }
            for tried in result.attempts
        ],
    }
