"""Collect the report's data on exported models: accuracy, and how far their outputs are from the network's."""

from dataclasses import dataclass
from pathlib import Path

from yolov3.errors import InputError
from yolov3.files import read_json


@dataclass(frozen=True)
class ExportedModel:
    """An exported model.

    Attributes:
        name: its format, such as "ONNX".
        AP, AP50: of the validation images, -1 without ground truth.
        largest_difference: of its raw outputs from those of the network, on one image.
        model_bytes: size of its file.
    """

    name: str
    AP: float
    AP50: float
    largest_difference: float
    model_bytes: int


def read_exports(summary: Path, metrics: list[Path]) -> tuple[ExportedModel, ...]:
    """Read export.json, and the metrics.json of evaluations, each in a folder with the name of a format.

    Raises:
        InputError: a file or a key is missing.
    """
    accuracies = {path.parent.name.upper(): read_json(path, "metrics file") for path in metrics}
    try:
        files = {entry["format"]: entry for entry in read_json(summary, "export summary")["files"]}
        return tuple(
            ExportedModel(
                name,
                float(accuracy["AP"]),
                float(accuracy["AP50"]),
                float(files[name]["largest_difference"]),
                int(files[name]["bytes"]),
            )
            for name, accuracy in accuracies.items()
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"export summary {summary} or an evaluation of its models is incomplete ({type(error).__name__}: {error}): "
            "run export and eval_exports again"
        ) from None
