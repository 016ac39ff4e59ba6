"""The report's part on deployment: three programs side by side, and where int8 lost."""

import pytest
from report_inputs import detection, metrics, write_json
from test_report import Page, Run

from yolov3.errors import InputError
from yolov3.report.data import read_accuracy
from yolov3.report.exports import ExportedModel, read_exports
from yolov3.report.native import class_losses, read_native_run

TIMINGS = {
    "engine": "lite",
    "device": "cpu",
    "threads": 2,
    "precision": "float32",
    "model_bytes": 2_470_000,
    "images_per_second": 151.26,
    "network_ms": {"mean": 6.11, "p50": 6.0, "p95": 7.4, "p99": 9.9},
}


def native_metrics(path, value, per_class=None):
    content = {**metrics(value=value), "seconds": {"network": 1.0, "total": 2.0}, "native": TIMINGS}
    for name, ap in (per_class or {}).items():
        content["per_class"][name]["AP"] = ap
    return write_json(path, content)


def test_classes_are_ordered_by_what_int8_lost(tmp_path):
    names = list(metrics()["per_class"])
    values = [{names[0]: 0.5, names[1]: 0.6}, {names[0]: 0.5, names[1]: 0.55}, {names[0]: 0.52, names[1]: 0.45}]
    accuracies = tuple(
        read_accuracy(f"program {number}", native_metrics(tmp_path / f"{number}.json", 0.5, classes))
        for number, classes in enumerate(values)
    )
    worst, best = class_losses(accuracies)
    assert (worst.name, best.name) == (names[1], names[0])
    assert worst.values == (0.6, 0.55, 0.45)
    assert worst.change == pytest.approx(-0.10)
    assert best.change == pytest.approx(0.02)


def test_one_program_has_nothing_to_compare(tmp_path):
    assert class_losses((read_accuracy("only", native_metrics(tmp_path / "m.json", 0.5)),)) == []


def test_metrics_without_timings_are_told(tmp_path):
    path = write_json(tmp_path / "metrics.json", metrics())
    with pytest.raises(InputError, match="has no timings of the native program"):
        read_native_run("float", path)


def test_the_page_sets_three_programs_side_by_side(tmp_path):
    run = Run(tmp_path)
    words = []
    for name, value in (("Native float", 0.456), ("Native int8", 0.441)):
        found = write_json(tmp_path / f"{name}.json", [detection(5, 10, [4, 10, 20, 30], 0.9)])
        words += ["--native", name, str(native_metrics(tmp_path / f"{name} metrics.json", value)), str(found)]
    text = run.write(*words)
    assert Page(text)
    for shown in ("Native float", "Native int8", "0.441", "0.306", "2.47", "151.3", "7.4", "lite on cpu, 2 threads"):
        assert shown in text, shown
    assert "Loss of AP by int8" in text
    assert "Native int8:" in text


def test_without_native_runs_there_is_no_section(tmp_path):
    assert "Deployment" not in Run(tmp_path).write()


def test_exported_models_are_read_by_their_folders(tmp_path):
    summary = write_json(
        tmp_path / "export.json",
        {"files": [{"format": name, "largest_difference": 1e-6, "bytes": 7} for name in ("MINDIR", "ONNX")]},
    )
    (tmp_path / "onnx").mkdir()
    metrics = write_json(tmp_path / "onnx" / "metrics.json", {"AP": 0.5, "AP50": 0.75})
    assert read_exports(summary, [metrics]) == (ExportedModel("ONNX", 0.5, 0.75, 1e-6, 7),)
    write_json(metrics, {"AP": 0.5})
    with pytest.raises(InputError, match=r"incomplete \(KeyError: 'AP50'\): run export and eval_exports again"):
        read_exports(summary, [metrics])
