"""Write the report: one self-contained HTML page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from yolov3.config.config import config_schema
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.files import write_text
from yolov3.log_lines import duration_text
from yolov3.report import plots
from yolov3.report.data import Accuracy, StageTime, Training, WeightsSource
from yolov3.report.gallery import Picture
from yolov3.report.native import NativeRun, class_losses

NONE = "–"
# Longer tables start collapsed.
MAX_OPEN_ROWS = 20

METRIC_MEANINGS = {
    "AP": "mean over IoU 0.50 to 0.95",
    "AP50": "IoU 0.50",
    "AP75": "IoU 0.75",
    "APs": "small, under 32² px",
    "APm": "medium, up to 96² px",
    "APl": "large",
    "AR1": "recall, 1 detection per image",
    "AR10": "recall, 10 per image",
    "AR100": "recall, 100 per image",
    "ARs": "recall, small",
    "ARm": "recall, medium",
    "ARl": "recall, large",
}
# The original documentation's result of the full network on COCO val2014 at 416, in the order of METRIC_MEANINGS.
PUBLISHED = (0.311, 0.528, 0.322, 0.127, 0.323, 0.428, 0.259, 0.398, 0.423, 0.224, 0.442, 0.551)
# The same after post-training quantization, on Ascend 310; in float the Ascend 310 reached PUBLISHED.
PUBLISHED_INT8 = (0.306, 0.524, 0.314, 0.122, 0.319, 0.423, 0.256, 0.395, 0.419, 0.219, 0.438, 0.548)

STAGE_NAMES = {
    "download": "Data set",
    "fetch_backbone": "Fetch backbone",
    "convert_backbone": "Convert backbone",
    "rank_table": "Rank table",
    "train": "Training",
    "convert_weights": "Convert weights",
    "eval_coco": "Evaluation",
    "export": "Export",
    "mslite_runtime": "MindSpore Lite",
    "build_native310": "Build native program",
    "build_converter": "Build converter",
    "preprocess_bins": "Prepare images",
    "calibration_bins": "Prepare calibration images",
    "convert_model": "Convert model",
    "post_quant": "Quantization",
    "infer_310": "Native inference, float",
    "quant_infer_310": "Native inference, int8",
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
        manifest: data set.
        origin: the training, or the source of weights that were not trained here.
        accuracies: one evaluation per column of the COCO table; the first is shown in detail.
        native_runs: timings of the native program; empty if it was not run.
        stage_times: in the order of the run.
        pictures: gallery.
        config: resolved configuration.
    """

    manifest: Manifest
    origin: Training | WeightsSource
    accuracies: tuple[Accuracy, ...]
    native_runs: tuple[NativeRun, ...]
    stage_times: tuple[StageTime, ...]
    pictures: tuple[Picture, ...]
    config: dict[str, Any]


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
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"option --config_json is not JSON ({error}): give the configuration as JSON") from None
    if not isinstance(config, dict):
        raise InputError("option --config_json is not a JSON object: give the configuration as JSON")
    return config


def write_page(content: ReportContent, settings: ReportSettings, path: str | Path) -> None:
    """Write the page atomically; equal content gives equal bytes."""
    write_text(path, page(content, settings))


def page(content: ReportContent, settings: ReportSettings) -> str:
    """Return the page as HTML."""
    template = Path(__file__).with_name("report.html.j2")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"accuracy": accuracy_text, "duration": duration_text, "count": count_text}
    accuracy = content.accuracies[0]
    training = content.origin if isinstance(content.origin, Training) else None
    return environment.get_template(template.name).render(
        settings=settings,
        manifest=content.manifest,
        training=training,
        weights=content.origin,
        device=training.device_target if training else content.config.get("device_target", ""),
        accuracy=accuracy,
        accuracies=content.accuracies,
        native_runs=content.native_runs,
        class_losses=class_losses(content.accuracies),
        metric_rows=[
            (name, meaning, [entry.numbers[name] for entry in content.accuracies], published, published_int8)
            for (name, meaning), published, published_int8 in zip(
                METRIC_MEANINGS.items(), PUBLISHED, PUBLISHED_INT8, strict=True
            )
        ],
        stage_times=[(STAGE_NAMES.get(time.stage, time.stage), time) for time in content.stage_times],
        run_seconds=sum(time.seconds for time in content.stage_times),
        evaluation_parts=_evaluation_parts(accuracy),
        training_charts=_training_charts(training) if training else [],
        precision_recall_charts=_precision_recall_charts(accuracy),
        class_charts=plots.class_charts(accuracy.per_class),
        classes_open=len(accuracy.per_class) <= MAX_OPEN_ROWS,
        pictures=content.pictures,
        config_sections=config_sections(content.config),
    )


def accuracy_text(value: float) -> str:
    """Return an accuracy with three decimals, or a dash for -1, which means no ground truth."""
    return NONE if value < 0 else f"{value:.3f}"


def count_text(value: float) -> str:
    """Return the rounded value with narrow no-break spaces as thousands separators."""
    return f"{round(value):,}".replace(",", "\u202f")


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
    return ConfigValue(key, _value_text(value), None if default == value else _value_text(default))


def _value_text(value: Any) -> str:
    if value == "":
        return "(empty)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _evaluation_parts(accuracy: Accuracy) -> list[tuple[str, float, float]]:
    """Return (name, seconds, share of the time) for each part of the evaluation."""
    parts = {"waiting for images": "read", "network": "network", "post-processing": "postprocess"}
    total = sum(accuracy.seconds[key] for key in parts.values())
    return [
        (name, accuracy.seconds[key], accuracy.seconds[key] / total if total else 0.0) for name, key in parts.items()
    ]


def _training_charts(training: Training) -> list[tuple[str, Markup]]:
    charts = []
    if len(training.steps["iter"]):
        charts = [
            ("Loss", plots.loss_chart(training)),
            ("Parts of the loss", plots.loss_parts_chart(training)),
            ("Learning rate", plots.learning_rate_chart(training)),
            ("Speed", plots.speed_chart(training)),
        ]
    if training.validation:
        charts.insert(2, ("Validation accuracy", plots.validation_chart(training)))
    return charts


def _precision_recall_charts(accuracy: Accuracy) -> list[tuple[str, Markup]]:
    curves = accuracy.precision_recall
    if not curves.classes:
        return []
    return [
        ("Mean over the classes", plots.mean_precision_recall_chart(curves)),
        ("Every class at IoU 0.50", plots.class_precision_recall_chart(curves)),
    ]
