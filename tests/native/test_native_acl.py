"""Engine acl over a fake AscendCL: order of calls, leaks, and every call failing in turn."""

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from native_helpers import (
    ANCHORS,
    MEAN_RGB,
    SIZE,
    STD_RGB,
    Program,
    assert_ran,
    assert_refused,
    random_raw_maps,
    write_bins,
    write_fake_model,
)
from small_coco import write_small_coco

from yolov3.data.annotations import load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.evaluate import EvaluationSettings, detect_split
from yolov3.evaluation.postprocess import PostprocessSettings
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.export.description import ModelDescription

ROOT = Path(__file__).parents[2]

# The first call of each function, in the order of CANN's samples; resources are released in the opposite order.
ORDER = (
    *("aclInit", "aclrtSetDevice", "aclrtCreateContext", "aclrtCreateStream", "aclrtGetRunMode", "aclmdlLoadFromFile"),
    *("aclmdlCreateDesc", "aclmdlGetDesc", "aclmdlGetInputSizeByIndex", "aclrtMalloc", "aclmdlCreateDataset"),
    *("aclCreateDataBuffer", "aclmdlAddDatasetBuffer", "aclrtMemcpy", "aclmdlExecute", "aclDestroyDataBuffer"),
    *("aclmdlDestroyDataset", "aclrtFree", "aclmdlDestroyDesc", "aclmdlUnload", "aclrtDestroyStream"),
    *("aclrtDestroyContext", "aclrtResetDevice", "aclFinalize"),
)


@pytest.fixture
def case(fake: Program, tmp_path: Path):
    """Returns a function that runs the program: environment -> (result, output folder, the fake's report)."""
    model = write_fake_model(tmp_path / "model.om", random_raw_maps(1))
    bins = write_bins(tmp_path / "bins", [np.ones((3, *SIZE), np.float32)] * 2)
    output, report = tmp_path / "out", tmp_path / "report.json"

    def run(*arguments, **environment):
        report.unlink(missing_ok=True)
        words = ("--engine", "acl", "--model", model, "--input", bins, "--output", output, "--warmup", 1, *arguments)
        result = fake.run(*words, FAKE_ACL_REPORT=str(report), **environment)
        return result, output, json.loads(report.read_text())

    return run


@pytest.mark.parametrize("mode", ["host", "device"])
def test_a_run_gives_everything_back(case, mode: str) -> None:
    result, output, report = case(FAKE_ACL_RUN_MODE=mode)
    assert_ran(result, output)
    assert report["alive"] == {} and report["violations"] == []
    assert tuple(function for function in report["order"] if function in ORDER) == ORDER
    # One warm-up and two images; three outputs each come back.
    assert report["calls"]["aclmdlExecute"] == 3
    assert report["calls"]["aclrtMemcpy"] == 3 * 4


def test_every_call_fails_in_turn(case) -> None:
    _, output, report = case()
    calls, tried = report["calls"], 0
    for function, count in calls.items():
        for call in sorted({1, 2, count // 2 + 1, count} & set(range(1, count + 1))):
            shutil.rmtree(output)
            result, output, report = case(FAKE_ACL_FAIL=f"{function}:{call}")
            if function == "aclmdlGetInputFormat":
                assert_ran(result, output)  # the shape decides the layout; the format is only a hint
            else:
                assert_refused(result, output)
            assert report["calls"][function] >= call
            assert report["alive"] == {} and report["violations"] == [], (function, call)
            output.mkdir(exist_ok=True)
            tried += 1
    assert tried > 40


def test_the_sentence_names_the_call(case) -> None:
    result, output, _ = case(FAKE_ACL_FAIL="aclmdlExecute:2")
    assert_refused(result, output, "aclmdlExecute", "507018", "model.om", "npu-smi")


def test_a_missing_device(case) -> None:
    result, output, report = case("--device_id", 5)
    assert_refused(result, output, "aclrtSetDevice")
    assert report["alive"] == {}


def test_a_broken_model(case, tmp_path: Path) -> None:
    (tmp_path / "model.om").write_bytes((tmp_path / "model.om").read_bytes()[:1000])
    result, output, report = case()
    assert_refused(result, output, "aclmdlLoadFromFile", "model.om")
    assert report["alive"] == {}


def test_a_failed_run_takes_old_results_away(case) -> None:
    assert_ran(*case()[:2])
    result, output, _ = case(FAKE_ACL_FAIL="aclmdlExecute:3")
    assert_refused(result, output)


def test_unit_tests_under_sanitizers(sanitized_dir: Path) -> None:
    result = Program(sanitized_dir / "unit_tests").run()
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 failed" in result.stdout


def test_an_om_model_is_evaluated_like_any_other(fake: Program, tmp_path: Path) -> None:
    place = write_small_coco(tmp_path / "data", images=6)
    manifest = check_dataset("custom", {"train": place, "val": place}, CheckSettings("decode", False))
    manifest.write(tmp_path / "manifest.json")
    side, names = 96, ("a", "b")
    raw_maps = random_raw_maps(4, (side, side), classes=2)
    model = write_fake_model(tmp_path / "model.om", raw_maps, size=(side, side))
    anchors = tuple((float(width), float(height)) for width, height in ANCHORS)
    ModelDescription(
        (side, side), 1, "images", anchors, names, (3, 9), False, False, tuple(MEAN_RGB), tuple(STD_RGB)
    ).write(model)
    evaluate = runpy.run_path(str(ROOT / "workflow" / "scripts" / "eval_coco.py"))["main"]
    words = ["--manifest", tmp_path / "manifest.json", "--pretrained", model, "--program", fake.path]

    assert evaluate([*map(str, words), "--output_dir", str(tmp_path / "out")]) == 0

    def infer(images: np.ndarray) -> tuple[np.ndarray, ...]:
        # What the fake answers.
        return tuple(raw[None] + images.flat[0] - images.flat[-1] for raw in raw_maps)

    settings = EvaluationSettings(side, 1, False, PostprocessSettings(0.001, 0.5, 0))
    expected = detect_split(infer, ModelDescription.read(model), load_split(manifest, "val"), settings)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["AP"] == pytest.approx(coco_result(TrueBoxes.of_split(manifest, "val"), expected.rows).metrics["AP"])
    assert len(json.loads((tmp_path / "out" / "detections.json").read_text())) == len(expected.rows) > 6
    assert metrics["native"]["engine"] == "acl"
