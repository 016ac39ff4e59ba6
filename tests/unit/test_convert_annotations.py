"""Annotations written in every format, and read again by us and by another library."""

import importlib.util
import json
from pathlib import Path

import pytest
from globox import AnnotationSet
from label_files import IMAGES, NAMES, SUFFIX, write_images, write_voc
from small_coco import write_small_coco

from yolov3.data.annotations import read_annotations

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "convert_annotations.py"
FORMATS = ("coco", "voc", "yolo", "labelme")


def convert(annotations, image_dir, to, output, *more):
    spec = importlib.util.spec_from_file_location("convert_annotations", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    words = ["--annotations", annotations, "--image_dir", image_dir, "--to", to, "--output_dir", output, *more]
    return script.main(list(map(str, words)))


def place_of(folder, kind):
    return folder / "annotations.json" if kind == "coco" else folder


@pytest.fixture
def original(tmp_path):
    """(image folder, COCO file) with boxes of fractions of a pixel."""
    image_dir, file = write_small_coco(tmp_path / "data", images=4)
    dataset = json.loads(file.read_text())
    for number, row in enumerate(dataset["annotations"]):
        row["bbox"] = [value + 0.01 * number for value in row["bbox"]]
        row["bbox"] = [round(value, 2) for value in row["bbox"]]
        row["area"] = round(row["bbox"][2] * row["bbox"][3], 4)
    file.write_text(json.dumps(dataset))
    return image_dir, file


def content_of(file):
    dataset = read_annotations(file)
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    files = {image["id"]: (image["file_name"], image["width"], image["height"]) for image in dataset["images"]}
    rows = [(files[row["image_id"]], names[row["category_id"]], tuple(row["bbox"])) for row in dataset["annotations"]]
    return files.values(), rows


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_there_and_back(original, tmp_path, first, second):
    image_dir, file = original
    assert convert(file, image_dir, first, tmp_path / "one") == 0
    assert convert(place_of(tmp_path / "one", first), image_dir, second, tmp_path / "two") == 0
    assert convert(place_of(tmp_path / "two", second), image_dir, "coco", tmp_path / "back") == 0
    (files, rows), (expected_files, expected) = content_of(tmp_path / "back" / "annotations.json"), content_of(file)
    assert list(files) == list(expected_files)
    assert rows == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_another_library_reads_what_is_written(original, tmp_path, kind):
    image_dir, file = original
    assert convert(file, image_dir, kind, tmp_path / "out") == 0
    out = tmp_path / "out"
    if kind == "yolo":
        (out / "classes.txt").unlink()
    theirs = {
        "coco": lambda: AnnotationSet.from_coco(out / "annotations.json"),
        "voc": lambda: AnnotationSet.from_pascal_voc(out),
        "labelme": lambda: AnnotationSet.from_labelme(out),
        "yolo": lambda: AnnotationSet.from_yolo_darknet(out, image_folder=image_dir, image_extension=".png"),
    }[kind]()
    found = sorted(
        (
            Path(one.image_id).name,
            "ab"[int(box.label)] if kind == "yolo" else box.label,
            *(round(v, 2) for v in box.ltwh),
        )
        for one in theirs
        for box in one.boxes
    )
    _, expected = content_of(file)
    assert found == sorted((name, label, *bbox) for (name, _, _), label, bbox in expected)


def test_crowds_are_difficult_in_voc_and_left_out_elsewhere(tmp_path, capfd):
    image_dir, file = write_small_coco(tmp_path / "data", images=1, boxes_per_image=2)
    dataset = json.loads(file.read_text())
    dataset["annotations"][0]["iscrowd"] = 1
    file.write_text(json.dumps(dataset))
    assert convert(file, image_dir, "voc", tmp_path / "voc") == 0
    assert (tmp_path / "voc" / "000001.xml").read_text().count("<difficult>1</difficult>") == 1
    assert convert(file, image_dir, "yolo", tmp_path / "yolo") == 0
    assert len((tmp_path / "yolo" / "000001.txt").read_text().splitlines()) == 1
    assert "1 crowds are left out, which this format does not have" in capfd.readouterr().err


def test_names_of_any_script_and_images_without_boxes(tmp_path):
    write_images(tmp_path / "images")
    write_voc(tmp_path / "voc")
    for to in FORMATS:
        assert convert(tmp_path / "voc", tmp_path / "images", to, tmp_path / to) == 0
    text = (tmp_path / "labelme" / "größe.json").read_text(encoding="utf-8")
    assert json.loads(text)["imagePath"] == f"größe{SUFFIX}"
    assert (tmp_path / "yolo" / "größe.txt").read_text() == ""
    assert (tmp_path / "yolo" / "classes.txt").read_text().split() == sorted(NAMES)
    assert len(list((tmp_path / "voc").glob("*.xml"))) == len(IMAGES)


def test_what_is_not_there_is_a_sentence(tmp_path, capfd):
    assert convert(tmp_path / "none", tmp_path, "voc", tmp_path / "out") == 1
    assert "do not exist: check the path" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
