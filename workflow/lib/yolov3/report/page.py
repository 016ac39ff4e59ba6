"""Write the report: one self-contained HTML page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolov3.config.schema import config_schema
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.files import json_value, write_text
from yolov3.report import plots
from yolov3.report.analysis import Analysis
from yolov3.report.data import Accuracy, StageTime, Training, WeightsSource
from yolov3.report.exports import ExportedModel
from yolov3.report.gallery import Picture
from yolov3.report.native import NativeRun, class_losses
from yolov3.report.quantization import Quantization
from yolov3.report.templates import page_template

# Longer tables start collapsed.
MAX_OPEN_ROWS = 20

# Metric -> meaning, then the original documentation's results of the full network on COCO val2014 at 416: in float on
# Ascend 910 and 310 alike, and after post-training quantization on Ascend 310.
METRICS = {
    "AP": ("mean over IoU 0.50 to 0.95", (0.311, 0.306)),
    "AP50": ("IoU 0.50", (0.528, 0.524)),
    "AP75": ("IoU 0.75", (0.322, 0.314)),
    "APs": ("small, under 32² px", (0.127, 0.122)),
    "APm": ("medium, up to 96² px", (0.323, 0.319)),
    "APl": ("large", (0.428, 0.423)),
    "AR1": ("recall, 1 detection per image", (0.259, 0.256)),
    "AR10": ("recall, 10 per image", (0.398, 0.395)),
    "AR100": ("recall, 100 per image", (0.423, 0.419)),
    "ARs": ("recall, small", (0.224, 0.219)),
    "ARm": ("recall, medium", (0.442, 0.438)),
    "ARl": ("recall, large", (0.551, 0.548)),
}


@dataclass(frozen=True)
class ReportSettings:
    """Fields are the config's `report` keys of the same names."""

    title: str
    gallery_images: int
    gallery_score: float


@dataclass(frozen=True)
class ReportContent:
    """Content of the page.

    Attributes:
        origin: the training, or the source of weights that were not trained here.
        accuracies: one evaluation per column of the COCO table; the first is shown in detail.
        native_runs: timings of the native program; empty if it was not run.
        quantization: the search for an int8 model within a bound; None if there was none.
        exports: evaluated exported models; empty if they were not evaluated.
        stage_times: in the order of the run.
        analysis: that of the first evaluation.
        pictures, worst_pictures: images spread evenly, and those with most errors in the first evaluation.
        config: resolved configuration.
        preview: the first training batches as a JPEG data URI, its width and height; None if there is none.
        data_remarks: what the page of the data set says on top.
        symptoms: what shows that the network has learned next to nothing; empty if it has learned.
        causes: the likely causes of that, the likeliest first.
    """

    manifest: Manifest
    origin: Training | WeightsSource
    accuracies: tuple[Accuracy, ...]
    native_runs: tuple[NativeRun, ...]
    quantization: Quantization | None
    exports: tuple[ExportedModel, ...]
    stage_times: tuple[StageTime, ...]
    analysis: Analysis
    pictures: tuple[Picture, ...]
    worst_pictures: tuple[Picture, ...]
    config: dict[str, Any]
    preview: tuple[str, int, int] | None
    data_remarks: tuple[str, ...]
    symptoms: tuple[str, ...]
    causes: tuple[str, ...]


@dataclass(frozen=True)
class ConfigValue:
    """A key of the configuration, its value, and the default if it differs."""

    key: str
    value: str
    default: str | None


def read_config(text: str) -> dict[str, Any]:
    """Read the resolved configuration from JSON.

    Raises:
        InputError: it is not a JSON object.
    """
    try:
        config = json_value(text)
    except ValueError as error:
        raise InputError(f"option --config_json is not JSON ({error}): give the configuration as JSON") from None
    if not isinstance(config, dict):
        raise InputError("option --config_json is not a JSON object: give the configuration as JSON")
    return config


def write_page(content: ReportContent, settings: ReportSettings, path: str | Path) -> None:
    """Write the page atomically; equal content gives equal bytes."""
    accuracy = content.accuracies[0]
    training = content.origin if isinstance(content.origin, Training) else None
    text = page_template("report.html.j2").render(
        vars(content),
        settings=settings,
        training=training,
        device=training.device_target if training else content.config.get("device_target", ""),
        accuracy=accuracy,
        class_losses=class_losses(content.accuracies),
        metrics=METRICS,
        training_charts=(
            plots.training_charts(training.steps, training.validation, training.best_epoch) if training else []
        ),
        precision_recall_charts=plots.precision_recall_charts(accuracy.precision_recall),
        class_charts=plots.class_charts(accuracy.per_class),
        class_rows=[(entry.name, entry) for entry in accuracy.per_class],
        classes_open=len(accuracy.per_class) <= MAX_OPEN_ROWS,
        config_sections=config_sections(content.config),
    )
    write_text(path, text)


def config_sections(config: dict[str, Any]) -> list[tuple[str, list[ConfigValue]]]:
    """Return the top-level keys as section "general", then each section with its keys, in the order of `config`."""
    schema = config_schema()["properties"]
    general = [_config_value(key, value, schema) for key, value in config.items() if not isinstance(value, dict)]
    sections = [("general", general)] if general else []
    for name, section in config.items():
        if isinstance(section, dict):
            rules = schema.get(name, {}).get("properties", {})
            sections.append((name, [_config_value(key, value, rules) for key, value in section.items()]))
    return sections


def _config_value(key: str, value: Any, rules: dict[str, Any]) -> ConfigValue:
    default = rules.get(key, {}).get("default", value)
    return ConfigValue(key, value_text(value), None if default == value else value_text(default))


def value_text(value: Any) -> str:
    """Return the value of a setting as it is shown."""
    if value == "":
        return "(empty)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
