"""The program that analyses COCO results of any origin."""

import json
import runpy
from pathlib import Path

import pytest
from report_inputs import write_dataset, write_json

BOX = {"image_id": 20230817142355121, "category_id": 3, "bbox": [0, 0, 9, 9], "score": 0.5}
SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "analyse.py"


@pytest.fixture
def files(tmp_path):
    """Annotations of two images with ids beyond 2^53, and results as another program would write them."""
    first, second = 20230817142355121, 20230817142355122
    dataset = {
        "images": [
            {"id": number, "file_name": f"{name} é.png", "width": 80, "height": 60}
            for number, name in ((first, "a"), (second, "b"))
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": first, "category_id": 3, "bbox": [5, 5, 30, 30], "area": 900, "iscrowd": 0},
            {"id": 2, "image_id": second, "category_id": 9, "bbox": [5, 5, 30, 30], "area": 900, "iscrowd": 0},
        ],
    }
    images, annotations = write_dataset(tmp_path / "däta set", dataset)
    results = write_json(
        tmp_path / "results.json",
        [
            {"image_id": first, "category_id": 3, "bbox": [5, 5, 30, 30], "score": 0.9},
            {"image_id": second, "category_id": 3, "bbox": [5, 5, 30, 30], "score": 0.6},
        ],
    )
    return {"--annotations": annotations, "--detections": results, "--image_dir": images}


def run(files, folder, *more):
    words = [str(word) for option in files.items() for word in option]
    return runpy.run_path(str(SCRIPT))["main"]([*words, "--output_dir", str(folder), *more])


def test_results_of_another_program(files, tmp_path):
    assert run(files, tmp_path / "out") == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    per_class = metrics["per_class"]
    assert (metrics["AP"], per_class["cat"]["AP"], per_class["dog"]["AP"]) == pytest.approx((0.5, 1, 0))
    assert metrics["analysis"]["confusion"] == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert metrics["analysis"]["threshold"]["score"] == 0.9
    assert (tmp_path / "out" / "acc.log").read_text().count("= 0.500") > 3
    page = (tmp_path / "out" / "analysis.html").read_text(encoding="utf-8")
    assert "results.json" in page and "b é.png" in page and "0.500" in page


def test_images_are_optional(files, tmp_path):
    del files["--image_dir"]
    assert run(files, tmp_path / "out") == 0
    assert "data:image" not in (tmp_path / "out" / "analysis.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (
            "--detections",
            [{"image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1], "score": 1}],
            "has image_id 1, which",
        ),
        ("--detections", {"annotations": []}, "is not a list of COCO results"),
        ("--detections", [BOX | {"score": float("nan")}], "is not a list of COCO results"),
        ("--detections", [BOX | {"bbox": [float("nan"), 0, 9, 9]}], "not four finite numbers"),
        ("--detections", [BOX | {"bbox": [0, 0, 9, 9, 1]}] * 7, "not four finite numbers"),
        ("--detections", [BOX | {"bbox": [0, 0, 9]}] * 7, "not four finite numbers"),
        ("--detections", [BOX | {"score": 93}], "has scores outside of 0 to 1"),
        ("--annotations", [], "annotation file"),
    ],
)
def test_files_that_do_not_fit_end_in_a_sentence(files, tmp_path, capsys, file, content, said):
    write_json(files[file], content)
    assert run(files, tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert said in message and str(files[file]) in message and "Traceback" not in message
    assert not (tmp_path / "out").exists()
