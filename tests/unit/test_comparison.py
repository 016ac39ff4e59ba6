"""The comparison of runs, written by its script from small runs on disk."""

import json
import re
import runpy
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_inputs import ODD_NAME, metrics, summary, write_json, write_manifest, write_steps
from test_report import Page

from yolov3.data.annotations import ground_truth
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.evaluation.coco_metrics import coco_result
from yolov3.evaluation.coco_results import CocoIds, write_results
from yolov3.evaluation.true_boxes import TrueBoxes
from yolov3.report.run_folders import run_names, runs_content

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "compare.py"
NATIVE = {
    "engine": "lite",
    "device": "cpu",
    "threads": 2,
    "precision": "float32",
    "model_bytes": 2_500_000,
    "images_per_second": 31.25,
    "network_ms": {"mean": 3.5, "p50": 3.0, "p95": 4.0, "p99": 9.5},
}
TRAINED = {"settings": {"lr": 0.01, "box_loss": "ciou", "seed": 1, "argv": ["--anchor_scales", "auto"]}}
IMAGES = 12


def write_run(folder, found=IMAGES, names=("round", ODD_NAME), images=IMAGES, training=TRAINED):
    """Write a run that finds all boxes of the second class, and those of the first one in the first `found` images."""
    results = folder / "results"
    for name in ("data", "eval_coco", "train"):
        (results / name).mkdir(parents=True)
    image_names = [f"{number}.jpg" for number in range(images)]
    manifest = Manifest.read(write_manifest(folder, names, image_names))
    manifest.write(results / "data" / "val.json")
    boxes = [(4, 10, 20, 30), (34, 10, 20, 30)]
    rows = [[index, *boxes[label], 0.9, label] for index in range(images) for label in (0, 1) if label or index < found]
    rows = np.array(rows, float)
    dataset = ground_truth(manifest, "val")
    ids = CocoIds([image["id"] for image in dataset["images"]], manifest.category_ids)
    write_results(results / "eval_coco" / "detections.json", rows, ids)
    # As an older version wrote it.
    measured = {key: value for key, value in metrics(names).items() if key != "analysis"}
    write_json(results / "eval_coco" / "metrics.json", {**measured, **coco_result(TrueBoxes.of(dataset), rows).metrics})
    if training:
        write_json(results / "train" / "train.json", {**summary(), **training})
        write_steps(results / "train" / "metrics.csv")
    return folder


def compare(*runs, output):
    return runpy.run_path(str(SCRIPT))["main"]([*map(str, runs), "--output_dir", str(output)])


def numbers_of(output):
    return json.loads((output / "comparison.json").read_text(encoding="utf-8"))


@pytest.fixture
def pair(tmp_path):
    """Two runs: one that finds all, one that finds half of the boxes of class round."""
    return write_run(tmp_path / "läuft gut"), write_run(tmp_path / "half", found=6)


@pytest.fixture
def page(pair, tmp_path):
    assert compare(*pair, output=tmp_path / "out") == 0
    return Page((tmp_path / "out" / "comparison.html").read_text(encoding="utf-8"))


def test_differences_by_hand(page, tmp_path):
    """Half of the boxes without a false one: precision 1 up to recall 0.5, which is 51 of the 101 recalls."""
    (comparison,) = numbers_of(tmp_path / "out")["comparisons"]
    by_name = {entry["name"]: entry for entry in comparison["classes"]}
    assert [entry["name"] for entry in comparison["classes"]] == ["round", ODD_NAME]
    assert by_name["round"]["change"] == pytest.approx(51 / 101 - 1)
    # The share of 12 images that are found varies by a standard error of 0.144.
    assert -0.85 < by_name["round"]["low"] < -0.7 and -0.3 < by_name["round"]["high"] < -0.15
    assert (by_name["round"]["verdict"], by_name[ODD_NAME]["verdict"]) == ("beyond chance", "within chance")
    assert (by_name[ODD_NAME]["low"], by_name[ODD_NAME]["high"]) == (0, 0)
    ap = comparison["metrics"]["AP"]
    assert ap["change"] == pytest.approx((51 / 101 - 1) / 2) and ap["low"] < ap["change"] < ap["high"] < 0
    assert "half : AP 0.752 instead of 1.000, -0.248 (95 %: -0." in page.text
    assert "which is beyond chance. Of 2 classes, 1 differs beyond chance: round -0.495." in page.text
    assert page.tables["classes-1"][1][:4] == ["round", "1.000", "0.505", "-0.495"]
    assert page.tables["classes-1"][1][5:] == ["12", "beyond chance"]
    assert page.tables["metrics-1"][1][1:] == ["1.000", "0.752"]


def test_page_is_self_contained_and_its_names_are_text(page):
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "img", "object", "embed") and "src" not in attributes
        assert attributes.get("href", "#").startswith("#") and attributes.get("href", "#")[1:] in (*ids, "")
    assert ODD_NAME in page.text and not page.attributes("b")


def test_equal_runs_give_equal_bytes(pair, tmp_path):
    for name in ("one", "two"):
        assert compare(*pair, output=tmp_path / name) == 0
    for file in ("comparison.html", "comparison.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_classes_in_few_images_are_not_judged(tmp_path):
    runs = [write_run(tmp_path / name, found, images=9) for name, found in (("a", 9), ("b", 0))]
    assert compare(*runs, output=tmp_path / "out") == 0
    first = numbers_of(tmp_path / "out")["comparisons"][0]["classes"][0]
    assert (first["change"], first["verdict"], first["low"]) == (-1, "too few images", None)


def without_detections(run):
    (run / "results" / "eval_coco" / "detections.json").unlink()


def with_other_images(run):
    path = run / "results" / "data" / "val.json"
    manifest = Manifest.read(path)
    replace(manifest, splits={"val": replace(manifest.splits["val"], fingerprint="1" * 64)}).write(path)


def with_another_metric(run):
    path = run / "results" / "eval_coco" / "metrics.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), "AP": 0.1})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_detections, "half has no eval_coco/detections.json"),
        (with_other_images, "the two were evaluated on different validation images or annotations"),
        (with_another_metric, "the AP of the detections of half is 0.7525 by its annotations of today but was 0.1000"),
        (
            lambda run: (run.parent / "läuft gut" / "data" / "annotations.json").unlink(),
            "the annotations cannot be read",
        ),
    ],
)
def test_without_pairs_the_rest_is_compared(pair, tmp_path, capsys, change, said):
    change(pair[1])
    assert compare(*pair, output=tmp_path / "out") == 0
    (comparison,) = numbers_of(tmp_path / "out")["comparisons"]
    assert said in comparison["unpaired"] and said in capsys.readouterr().err
    assert comparison["classes"][0]["change"] == pytest.approx(51 / 101 - 1)
    assert comparison["classes"][0]["low"] is None and comparison["metrics"]["AP50"]["low"] is None
    page = Page((tmp_path / "out" / "comparison.html").read_text(encoding="utf-8"))
    assert page.text.count(f"There are no intervals, because {said}") == 2


def test_other_classes_are_matched_by_name(tmp_path):
    runs = write_run(tmp_path / "a"), write_run(tmp_path / "b", found=6, names=("square", "round"))
    assert compare(*runs, output=tmp_path / "out") == 0
    (comparison,) = numbers_of(tmp_path / "out")["comparisons"]
    assert comparison["unpaired"] == "the two have different classes"
    assert [entry["name"] for entry in comparison["classes"]] == ["round"]
    assert comparison["classes"][0]["change"] == 0 and comparison["other_classes"] == sorted([ODD_NAME, "square"])


def test_of_four_runs_three_are_paired(pair, tmp_path):
    other, quarter = write_run(tmp_path / "other"), write_run(tmp_path / "quarter", found=3)
    with_other_images(other)
    assert compare(pair[0], other, pair[1], quarter, output=tmp_path / "out") == 0
    other, *paired = numbers_of(tmp_path / "out")["comparisons"]
    assert other["unpaired"] and [entry["run"] for entry in paired] == ["half", "quarter"]
    for comparison, recalls in zip(paired, (51, 26), strict=True):
        change = comparison["metrics"]["AP50"]
        assert change["change"] == pytest.approx((recalls / 101 - 1) / 2) and not comparison["unpaired"]
        assert change["low"] < change["change"] < change["high"] < 0


def test_settings_that_differ(tmp_path):
    settings = {"lr": 0.5, "box_loss": "ciou", "seed": 2, "argv": []}
    runs = write_run(tmp_path / "a"), write_run(tmp_path / "b", training={"settings": settings})
    assert compare(*runs, output=tmp_path / "out") == 0
    differing = numbers_of(tmp_path / "out")["settings"]
    assert list(differing) == ["train.lr", "seed", "network.anchor_scales"]
    assert differing["train.lr"] == {"a": 0.01, "b": 0.5}
    assert differing["network.anchor_scales"]["a"] == "auto" and differing["network.anchor_scales"]["b"][0] == [10, 13]
    page = Page((tmp_path / "out" / "comparison.html").read_text(encoding="utf-8"))
    assert "Key a b train.lr 0.01 0.5 seed 1 2 network.anchor_scales auto [[10, 13]" in page.text
    assert "Of a, b, only what the training keeps is known" in page.text


def test_the_whole_configuration_of_a_report(tmp_path):
    runs = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    for run, threshold in zip(runs, (0.5, 0.6), strict=True):
        (run / "results" / "report").mkdir()
        config = {"seed": 9, "eval": {"nms_thresh": threshold}, "train": {"lr": 7, "mosaic": threshold}}
        write_json(run / "results" / "report" / "config.json", config)
    assert compare(*runs, output=tmp_path / "out") == 0
    # What the training keeps is of the training, even if the report is older.
    assert list(numbers_of(tmp_path / "out")["settings"]) == ["eval.nms_thresh", "train.mosaic"]
    assert "only what the training keeps" not in (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")


def test_a_training_of_a_folder_that_now_takes_other_weights_does_not_count(pair, tmp_path):
    (pair[1] / "results" / "report").mkdir()
    config = {"seed": 1, "weights": {"pretrained": "yolov3.weights"}}
    write_json(pair[1] / "results" / "report" / "config.json", config)
    assert compare(*pair, output=tmp_path / "out") == 0
    numbers = numbers_of(tmp_path / "out")
    assert [bool(run["training"]) for run in numbers["runs"]] == [True, False] and numbers["settings"] == {}


def test_weights_instead_of_a_training_and_native_programs(pair, tmp_path):
    shutil.rmtree(pair[1] / "results" / "train")
    for folder in ("infer_310", "weights"):
        (pair[1] / "results" / folder).mkdir()
    (pair[1] / "results" / "weights" / "yolov3.ckpt").write_bytes(b"1" * 1_230_000)
    native = {
        **metrics(value=0.25),
        "native": NATIVE,
        "seconds": {"network": 1.0, "total": 2.0},
        "images_per_second": 31.25,
    }
    write_json(pair[1] / "results" / "infer_310" / "metrics.json", native)
    assert compare(*pair, output=tmp_path / "out") == 0
    page = Page((tmp_path / "out" / "comparison.html").read_text(encoding="utf-8"))
    assert page.tables["size-table"][1] == ["weights/yolov3.ckpt", "–", "1.23"]
    assert page.tables["metrics-2"][:2] == [["Metric", "half"], ["AP mean over IoU 0.50 to 0.95", "0.250"]]
    assert page.tables["speed-table"][-1][1:] == ["31.2", "3.5", "3.0", "4.0", "9.5"]
    assert "lite on cpu, 2 threads" in page.tables["speed-table"][-1][0]
    assert page.tables["training-table"][1][1:3] == ["3 min 12 s", "1\u202f234"]
    assert page.tables["training-table"][2][1] == "not trained"


def test_charts_have_a_line_for_each_run(page, tmp_path):
    text = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    charts = dict(re.findall(r'<svg [^>]*aria-label="([^"]*)"(.*?)</svg>', text, re.DOTALL))
    assert list(charts) == [
        "Mean precision over recall of each run at IoU 0.50",
        "Mean precision over recall of each run at IoU 0.75",
        "Differences of AP by class, half",
        "Training loss of each run over the steps, logarithmic scale",
        "Validation AP of each run over the epochs",
    ]
    legends = [set(re.findall(r"<text[^>]*>(läuft gut|half)</text>", chart)) for chart in charts.values()]
    assert [len(legend) for legend in legends] == [2, 2, 0, 2, 2]


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([], "the number of runs is 0 but must be 2 to 10: name"),
        (["half"], "the number of runs is 1"),
        (["half", "gone"], "gone is not a folder: name the folder of a finished run"),
        (["half", "half/results"], "half/results is given twice"),
        (["half", "half/data"], "half/data has no eval_coco/metrics.json"),
    ],
)
def test_wrong_runs_end_in_a_sentence(pair, tmp_path, capsys, runs, said):
    assert compare(*(tmp_path / run for run in runs), output=tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert said in message and "Traceback" not in message and not (tmp_path / "out").exists()


def test_names_are_the_last_parts_that_differ():
    assert run_names([Path("/x/a/results"), Path("/x/b")]) == ["a", "b"]
    assert run_names([Path("/x/1/run/results"), Path("/x/2/run/results"), Path("/c")]) == ["1/run", "2/run", "c"]


def test_content_of_runs_counts_and_not_their_place(pair, tmp_path):
    before = runs_content(list(map(str, pair)))
    moved = tmp_path / "else where"
    moved.mkdir()
    places = [str(shutil.move(run, moved)) for run in pair]
    assert runs_content(places) == before != runs_content(places[::-1])
    with_another_metric(moved / "half")
    changed = runs_content(places)
    (moved / "half" / "results" / "train" / "yolov3.ckpt").write_bytes(b"12")
    assert len({before, changed, runs_content(places)}) == 3
    with pytest.raises(InputError, match="number of runs is 0"):
        runs_content([])
