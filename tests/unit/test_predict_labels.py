"""Predictions as annotation files and crops: read back by this project and by pycocotools."""

import json

import cv2
import numpy as np
import pytest
from exported_samples import SETTINGS, run_script, small_network
from pycocotools.coco import COCO

from yolov3.boxes import Detections
from yolov3.data.custom.folder import read_place
from yolov3.errors import InputError
from yolov3.export.description import ModelDescription
from yolov3.prediction.label_files import label_files, write_label_files
from yolov3.prediction.pictures import folder_name, write_crops
from yolov3.weights.checkpoint import save_checkpoint

NAMES = ("katze", "N/A ü")
MODEL = ModelDescription((64, 64), 1, "", (), NAMES, (40, 7), False, False, (0,) * 3, (1,) * 3)
# File, width and height, and boxes as class, box_xywh and score.
IMAGES = (
    ("b 1.png", (60, 40), (("katze", [1.25, 2.5, 20.13, 30.0], 0.9), ("N/A ü", [0.0, 0.0, 60.0, 40.0], 0.5))),
    ("sub/größe.jpg", (33, 77), ()),
    ("sub/b 1.png", (48, 48), (("katze", [10.01, 20.02, 5.5, 7.77], 0.31),)),
)


@pytest.fixture
def folder(tmp_path):
    """A folder of IMAGES."""
    folder = tmp_path / "bilder ä"
    for name, (width, height), _ in IMAGES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((height, width, 3), np.uint8))
    return folder


def predictions():
    return [
        {
            "file": file,
            "width": width,
            "height": height,
            "detections": [{"name": name, "category_id": 0, "score": s, "bbox_xywh": box} for name, box, s in boxes],
        }
        for file, (width, height), boxes in IMAGES
    ]


def write(kind, folder, output, annotations=None, model=MODEL):
    files = [folder / name for name, _, _ in IMAGES]
    labels = label_files(kind, files, folder, model, annotations)
    write_label_files(labels, predictions(), output)
    return output / kind


@pytest.mark.parametrize("kind", ["yolo", "voc", "labelme", "coco"])
def test_boxes_come_back(folder, tmp_path, kind):
    place = write(kind, folder, tmp_path / "out")
    dataset = read_place(place / "annotations.json" if kind == "coco" else place, folder, kind, ())
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    files = {image["id"]: image["file_name"] for image in dataset["images"]}
    found = {file: [] for file in files.values()}
    for row in dataset["annotations"]:
        found[files[row["image_id"]]].append((names[row["category_id"]], row["bbox"]))
    assert found == {file: [(name, box) for name, box, _ in boxes] for file, _, boxes in IMAGES}
    sizes = {image["file_name"]: (image["width"], image["height"]) for image in dataset["images"]}
    assert sizes == {file: size for file, size, _ in IMAGES}
    if kind == "yolo":
        # The classes have the numbers that they have in the model.
        assert (place / "classes.txt").read_text(encoding="utf-8").splitlines() == list(NAMES)


def test_coco_results_fit_the_data_set_beside_them(folder, tmp_path):
    place = write("coco", folder, tmp_path)
    truth = COCO(str(place / "annotations.json"))
    results = truth.loadRes(str(place / "results.json"))
    assert [image["file_name"] for image in truth.loadImgs([1, 2, 3])] == [file for file, _, _ in IMAGES]
    rows = [(row["image_id"], row["category_id"], row["bbox"], row["score"]) for row in results.anns.values()]
    assert rows == [
        (1, 40, [1.25, 2.5, 20.13, 30.0], 0.9),
        (1, 7, [0.0, 0.0, 60.0, 40.0], 0.5),
        (3, 40, [10.01, 20.02, 5.5, 7.77], 0.31),
    ]


def annotations_of(path, images, names=(*NAMES, "other")):
    categories = [{"id": 100 + number, "name": name} for number, name in enumerate(names)]
    images = [{"id": id, "file_name": name, "width": w, "height": h} for id, name, (w, h) in images]
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}), encoding="utf-8")
    return path


def test_ids_come_from_annotations(folder, tmp_path):
    sizes = {name: size for name, size, _ in IMAGES}
    # One of the files is known by its name only.
    entries = [(12, "b 1.png", (60, 40)), (2**40, "other place/größe.jpg", (33, 77)), (5, "sub/b 1.png", (48, 48))]
    file = annotations_of(tmp_path / "val.json", entries)
    results = json.loads((write("coco", folder, tmp_path, file) / "results.json").read_text())
    assert [(row["image_id"], row["category_id"]) for row in results] == [(12, 100), (12, 101), (5, 100)]
    assert label_files("coco", [folder / "sub/größe.jpg"], folder, MODEL, file).image_ids == {"sub/größe.jpg": 2**40}
    for images, names, sentence in (
        (entries[:2], NAMES, r"sub/b 1\.png has no entry of its own in annotation file"),
        (entries, NAMES[:1], "has no category 'N/A ü', which the model has"),
        ([*entries[:2], (5, "sub/b 1.png", (48, 49))], NAMES, "48 x 48 pixels but annotation file .* says 48 x 49"),
    ):
        with pytest.raises(InputError, match=sentence):
            write("coco", folder, tmp_path, annotations_of(tmp_path / "val.json", images, names))
    assert len(sizes) == 3


def test_a_model_without_category_ids_numbers_its_classes(folder, tmp_path):
    model = ModelDescription(**{**vars(MODEL), "category_ids": ()})
    dataset = json.loads((write("coco", folder, tmp_path, model=model) / "annotations.json").read_text())
    assert dataset["categories"] == [{"id": 1, "name": "katze"}, {"id": 2, "name": "N/A ü"}]


def test_two_images_never_share_a_file(tmp_path):
    files = [tmp_path / "a.png", tmp_path / "a.tif"]
    with pytest.raises(InputError, match=r"image a\.tif and a\.png would have the same voc file: rename"):
        label_files("voc", files, tmp_path, MODEL, None)
    with pytest.raises(InputError, match=r"image classes\.png and classes\.txt would have the same yolo file"):
        label_files("yolo", [tmp_path / "classes.png"], tmp_path, MODEL, None)
    assert label_files("coco", files, tmp_path, MODEL, None).image_ids == {"a.png": 1, "a.tif": 2}


def test_crops_are_the_pixels_of_the_boxes(tmp_path):
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    boxes = np.array([[1.2, 2.0, 20.9, 30.0], [0, 0, 60, 40], [60, 40, 60, 40], [5, 5, 5, 5]], np.float32)
    detections = Detections(boxes, np.ones(4), np.array([0, 1, 0, 0]))
    write_crops(image, detections, NAMES, tmp_path, (tmp_path / "sub" / "x y.png").relative_to(tmp_path))
    found = {path.relative_to(tmp_path / "crops").as_posix(): path for path in (tmp_path / "crops").rglob("*.png")}
    expected = {
        "katze/sub/x y_1.png": image[2:30, 1:21],
        "N_A ü/sub/x y_2.png": image,
        "katze/sub/x y_3.png": image[39:, 59:],
        "katze/sub/x y_4.png": image[5:6, 5:6],
    }
    assert set(found) == set(expected)
    for name, pixels in expected.items():
        assert (cv2.cvtColor(cv2.imread(str(found[name])), cv2.COLOR_BGR2RGB) == pixels).all(), name


@pytest.mark.parametrize(
    ("class_name", "name"),
    [("cat", "cat"), ("a/b", "a_b"), ("..", "_"), ("", "_"), (".x ", "_x_"), ("猫" * 99, "猫" * 66)],
)
def test_every_class_name_gives_a_folder(class_name, name):
    assert folder_name(class_name) == name


def test_the_program_writes_crops_and_labels_and_never_over_images(tmp_path, capfd):
    save_checkpoint(tmp_path / "yolov3.ckpt", small_network(), SETTINGS)
    image = np.random.default_rng(3).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), image)
    (tmp_path / "in" / "broken.png").write_bytes(b"broken")
    words = ["--ckpt", tmp_path / "yolov3.ckpt", "--score", 0.4, "--crops", "--format", "yolo"]
    output = tmp_path / "out"
    # The broken image makes it 1; what is left is written.
    assert run_script("predict", *words, "--input", tmp_path / "in", "--output", output) == 1
    (entry,) = json.loads((output / "predictions.json").read_text(encoding="utf-8"))
    assert entry["detections"]
    crops = {path.relative_to(output).as_posix() for path in (output / "crops").rglob("*.png")}
    numbered = enumerate(entry["detections"], start=1)
    assert crops == {f"crops/{detection['name']}/a_{number}.png" for number, detection in numbered}
    assert len((output / "yolo" / "a.txt").read_text().splitlines()) == len(entry["detections"])
    place = output / "crops" / entry["detections"][0]["name"]
    capfd.readouterr()
    assert run_script("predict", *words, "--input", place, "--output", output) == 1
    assert "is in the folder of the crops" in capfd.readouterr().err
