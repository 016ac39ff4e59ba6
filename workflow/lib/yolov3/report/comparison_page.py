"""Write the comparison of runs: one self-contained HTML page, and its numbers as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yolov3.evaluation.resampling import CONFIDENCE
from yolov3.files import write_json, write_text
from yolov3.report import comparison_plots
from yolov3.report.comparison import MIN_IMAGES, SAMPLES, Comparison, Difference
from yolov3.report.page import MAX_OPEN_ROWS, METRICS, value_text
from yolov3.report.run_folders import PROGRAMS
from yolov3.report.runs import Run, different_settings
from yolov3.report.templates import page_template


def write_comparison(runs: Sequence[Run], comparisons: Sequence[Comparison], seed: int, folder: Path) -> None:
    """Write comparison.json and comparison.html; equal results give equal bytes."""
    settings = different_settings(runs)
    names = [run.name for run in runs]
    runs_of_programs = {program: [run for run in runs if program in run.accuracies] for program in PROGRAMS}
    numbers = {
        "runs": [_run_values(run) for run in runs],
        "settings": {key: dict(zip(names, values, strict=True)) for key, values in settings.items()},
        "bootstrap": {"samples": SAMPLES, "seed": seed, "confidence": CONFIDENCE, "min_images": MIN_IMAGES},
        "comparisons": [_comparison_values(comparison) for comparison in comparisons],
    }
    page = page_template("comparison.html.j2").render(
        runs=runs,
        comparisons=comparisons,
        programs={program: shown for program, shown in runs_of_programs.items() if shown},
        metrics=METRICS,
        models=sorted({model for run in runs for model in run.model_bytes}),
        settings={
            key: [None if value is None else value_text(value) for value in values] for key, values in settings.items()
        },
        precision_recall_charts=comparison_plots.precision_recall_charts(runs),
        training_charts=comparison_plots.training_charts(runs),
        difference_charts=comparison_plots.difference_charts(comparisons),
        samples=SAMPLES,
        min_images=MIN_IMAGES,
        max_open_rows=MAX_OPEN_ROWS,
        confidence=f"{CONFIDENCE:.0%}".replace("%", " %"),
    )
    write_json(folder / "comparison.json", numbers)
    write_text(folder / "comparison.html", page)


def _run_values(run: Run) -> dict[str, Any]:
    training = run.training
    return {
        "name": run.name,
        "metrics": {program: accuracy.numbers for program, accuracy in run.accuracies.items()},
        "images_per_second": {program: accuracy.images_per_second for program, accuracy in run.accuracies.items()},
        "native": {program: asdict(timings) for program, timings in run.native.items()},
        "training": {
            "seconds": training.seconds,
            "images_per_second": training.images_per_second,
            "steps": training.updates,
        }
        if training
        else None,
        "model_bytes": run.model_bytes,
    }


def _comparison_values(comparison: Comparison) -> dict[str, Any]:
    return {
        "run": comparison.run,
        "unpaired": comparison.unpaired,
        "metrics": {name: _difference_values(difference) for name, difference in comparison.metrics.items()},
        "classes": [
            {
                "name": entry.name,
                "boxes": entry.boxes,
                "images": entry.images,
                "verdict": entry.verdict,
                **_difference_values(entry.AP),
            }
            for entry in comparison.classes
        ],
        "other_classes": list(comparison.other_classes),
    }


def _difference_values(difference: Difference) -> dict[str, Any]:
    return {**asdict(difference), "change": difference.change}
