"""Data sets in Pascal VOC, YOLO and LabelMe form, in the layouts that people and tools give them."""

import json
import shutil

import cv2
import numpy as np
import pytest
import yaml
from globox import AnnotationSet
from label_files import IMAGES, NAMES, SUFFIX, write_images, write_labelme, write_voc, write_yolo

from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.custom.folder import format_of
from yolov3.data.custom.places import CustomSettings, custom_places, is_converted
from yolov3.errors import InputError

WRITERS = {"voc": write_voc, "yolo": write_yolo, "labelme": write_labelme}
NOTHING = dict.fromkeys(("train_image_dir", "train_annotations", "val_image_dir", "val_annotations"), "")


def settings(**given):
    return CustomSettings(
        **{"folder": "", "format": "auto", "val_share": 0.0, "classes": (), "rename": {}, **NOTHING, **given}
    )


def converted(tmp_path, seed=1, **given):
    """The COCO data sets that are written, by split."""
    places = custom_places(settings(**given), ("train", "val"), seed, tmp_path / "converted")
    return {split: json.loads(file.read_text(encoding="utf-8")) for split, (_, file) in places.items()}


def content_of(dataset):
    """File name -> size and boxes, as in IMAGES."""
    names = {category["id"]: category["name"] for category in dataset["categories"]}
    boxes = {image["id"]: [] for image in dataset["images"]}
    for row in dataset["annotations"]:
        assert row["area"] == row["bbox"][2] * row["bbox"][3]
        boxes[row["image_id"]].append((names[row["category_id"]], tuple(row["bbox"])))
    return {
        image["file_name"]: ((image["width"], image["height"]), tuple(boxes[image["id"]]))
        for image in dataset["images"]
    }


def expected(images=IMAGES):
    return {f"{name}{SUFFIX}": (size, boxes) for name, size, boxes in images}


def write_split_folders(folder, kind, train="train", val="val"):
    """Images and annotations beside each other, in a folder a split."""
    for split in (train, val):
        write_images(folder / split)
        WRITERS[kind](folder / split)


@pytest.mark.parametrize("kind", WRITERS)
def test_images_and_annotations_in_folders_of_their_own(tmp_path, kind):
    write_images(tmp_path / "pictures")
    WRITERS[kind](tmp_path / "labels of mine")
    if kind == "yolo":
        (tmp_path / "labels of mine" / "classes.txt").write_text("\n".join(NAMES))
    paths = {}
    for split in ("train", "val"):
        paths |= {
            f"{split}_image_dir": str(tmp_path / "pictures"),
            f"{split}_annotations": str(tmp_path / "labels of mine"),
        }
    for dataset in converted(tmp_path, **paths).values():
        assert content_of(dataset) == expected()
        assert [image["id"] for image in dataset["images"]] == [1, 2, 3]
        order = NAMES if kind == "yolo" else sorted(NAMES)
        assert [category["name"] for category in dataset["categories"]] == list(order)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("val", ["val", "valid", "test"])
def test_a_folder_with_splits(tmp_path, kind, val):
    if kind == "yolo":
        for split in ("train", val):
            write_images(tmp_path / split / "images")
            write_yolo(tmp_path / split / "labels")
        (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    else:
        write_split_folders(tmp_path, kind, val=val)
    for dataset in converted(tmp_path, folder=str(tmp_path)).values():
        assert content_of(dataset) == expected()


def test_the_layout_of_voc(tmp_path):
    write_images(tmp_path / "JPEGImages")
    write_voc(tmp_path / "Annotations")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a 1\n".replace(" ", "_"))
    (tmp_path / "Annotations" / "a 1.xml").rename(tmp_path / "Annotations" / "a_1.xml")
    (tmp_path / "JPEGImages" / "a 1.png").rename(tmp_path / "JPEGImages" / "a_1.png")
    # Lists of a class have a second column.
    (lists / "val.txt").write_text("b  1\ngröße -1\n", encoding="utf-8")
    found = converted(tmp_path, folder=str(tmp_path))
    assert content_of(found["train"]) == {"a_1.png": IMAGES[0][1:]}
    assert content_of(found["val"]) == expected(IMAGES[1:])
    assert found["train"]["categories"] == found["val"]["categories"]
    (lists / "val.txt").write_text("none\n")
    with pytest.raises(InputError, match=r"VOC file .*none\.xml does not exist"):
        converted(tmp_path, folder=str(tmp_path))
    (lists / "val.txt").unlink()
    with pytest.raises(InputError, match="has the split train only: add the other one"):
        converted(tmp_path, folder=str(tmp_path))


@pytest.mark.parametrize(
    ("train", "val", "more"),
    [
        ("train/images", "val/images", {}),
        ("../train/images", "../val/images", {}),
        ("images", "images", {"path": "train"}),
        (["train/images"], "val.txt", {}),
    ],
)
@pytest.mark.parametrize("has_mapping", [True, False])
def test_data_yaml(tmp_path, train, val, more, has_mapping):
    for split in ("train", "val"):
        write_images(tmp_path / split / "images")
        write_yolo(tmp_path / split / "labels")
    (tmp_path / "val.txt").write_text(
        "".join(f"./val/images/{name}{SUFFIX}\n" for name, *_ in IMAGES), encoding="utf-8"
    )
    names = dict(enumerate(NAMES)) if has_mapping else list(NAMES)
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"train": train, "val": val, "names": names, **more}))
    for dataset in converted(tmp_path, folder=str(tmp_path)).values():
        assert content_of(dataset) == expected()
        assert [category["name"] for category in dataset["categories"]] == list(NAMES)


def test_a_coco_export_with_a_folder_a_split(tmp_path):
    for split in ("train", "valid"):
        write_images(tmp_path / split)
        write_voc(tmp_path / "voc")
        paths = {f"{name}_image_dir": str(tmp_path / split) for name in ("train", "val")}
        paths |= {f"{name}_annotations": str(tmp_path / "voc") for name in ("train", "val")}
        dataset = converted(tmp_path, **paths)["train"]
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(dataset), encoding="utf-8")
    shutil.rmtree(tmp_path / "voc")
    shutil.rmtree(tmp_path / "converted")
    for dataset in converted(tmp_path, folder=str(tmp_path)).values():
        assert content_of(dataset) == expected()


@pytest.mark.parametrize("kind", WRITERS)
def test_another_library_reads_the_same(tmp_path, kind):
    """Of images that have a file and boxes; globox leaves out the others in some formats."""
    images = IMAGES[:2]
    write_images(tmp_path / "images", images)
    WRITERS[kind](tmp_path / "labels", images)
    (tmp_path / "labels" / "classes.txt").write_text("\n".join(NAMES))
    paths = {}
    for split in ("train", "val"):
        paths |= {f"{split}_image_dir": str(tmp_path / "images"), f"{split}_annotations": str(tmp_path / "labels")}
    dataset = converted(tmp_path, format=kind, **paths)["train"]
    (tmp_path / "labels" / "classes.txt").unlink()
    theirs = {
        "voc": lambda: AnnotationSet.from_pascal_voc(tmp_path / "labels"),
        "labelme": lambda: AnnotationSet.from_labelme(tmp_path / "labels"),
        "yolo": lambda: AnnotationSet.from_yolo_darknet(
            tmp_path / "labels", image_folder=tmp_path / "images", image_extension=SUFFIX
        ),
    }[kind]()
    assert len(theirs) == len(dataset["images"]) == 2
    for file_name, (_, boxes) in content_of(dataset).items():
        # Paths of Windows stay as they are there.
        (annotation,) = (one for one in theirs if one.image_id.replace("\\", "/").endswith(file_name))
        found = sorted(
            (NAMES[int(box.label)] if kind == "yolo" else box.label, *(round(value, 1) for value in box.ltwh))
            for box in annotation.boxes
        )
        assert found == sorted((name, *map(float, box)) for name, box in boxes)


def test_all_formats_of_one_data_set_have_one_fingerprint(tmp_path):
    prints = set()
    for kind, write in WRITERS.items():
        write_images(tmp_path / kind / "images")
        write(tmp_path / kind / "labels")
        (tmp_path / kind / "labels" / "classes.txt").write_text("\n".join(NAMES))
        paths = {}
        for split in ("train", "val"):
            base = tmp_path / kind
            paths |= {f"{split}_image_dir": str(base / "images"), f"{split}_annotations": str(base / "labels")}
        given = settings(format=kind, classes=NAMES, **paths)
        places = custom_places(given, ("train", "val"), 1, base / "converted")
        prints.add(check_dataset("custom", places, CheckSettings("decode", False)).fingerprint("train", "val"))
    assert len(prints) == 1


def test_what_is_converted_and_what_is_used_in_place(tmp_path):
    given = {"train_annotations": "train.json", "val_annotations": "val.json"}
    assert not is_converted(vars(settings(**given)), "train")
    assert not is_converted(vars(settings(**given, format="coco")), "train")
    for more in ({"folder": "x"}, {"classes": ("a",)}, {"rename": {"a": "b"}}, {"format": "voc"}):
        assert is_converted(vars(settings(**given, **more)), "val")
    # Each split for itself: a stage knows only its own.
    mixed = vars(settings(train_annotations=str(tmp_path)))
    assert is_converted(mixed, "train") and not is_converted(mixed, "val")


def test_one_split_may_be_coco_and_the_other_not(tmp_path):
    write_split_folders(tmp_path, "voc")
    paths = {f"{split}_image_dir": str(tmp_path / split) for split in ("train", "val")}
    paths |= {f"{split}_annotations": str(tmp_path / split) for split in ("train", "val")}
    converted(tmp_path, **paths)
    coco = (tmp_path / "converted" / "val" / "annotations.json").rename(tmp_path / "val.json")
    places = custom_places(settings(**{**paths, "val_annotations": str(coco)}), ("train", "val"), 1, tmp_path / "again")
    assert places["val"] == (tmp_path / "val", coco)
    assert places["train"][1] == tmp_path / "again" / "train" / "annotations.json"


@pytest.mark.parametrize("kind", WRITERS)
def test_the_format_is_found(tmp_path, kind):
    write_split_folders(tmp_path, kind)
    assert format_of(tmp_path) == kind
    assert format_of(tmp_path / "train") == kind


def test_a_folder_of_nothing_known(tmp_path):
    write_images(tmp_path)
    with pytest.raises(InputError, match="has no annotations of a known format"):
        format_of(tmp_path)
    with pytest.raises(InputError, match="do not exist: check the path"):
        format_of(tmp_path / "none")


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("voc", "<annotation><object>", r"b\.xml is not valid XML \(.*: write it again"),
        ("voc", "<html></html>", "has the element html instead of annotation: it is of another format"),
        ("voc", "<annotation><object><name> </name></object></annotation>", "has object 1 without a name: add it"),
        ("voc", "<annotation><object><name>x</name></object></annotation>", r"object 1 \(x\) without the numbers xmin"),
        ("yolo", "0 0.5 0.5 0.1 x", r"b\.txt has line 1 with '0 0.5 0.5 0.1 x': give numbers"),
        ("yolo", "\n2 0.5 0.5 0.1 0.1", "has line 2 with class 2, but the classes are 0 to 1"),
        ("yolo", "-1 0.5 0.5 0.1 0.1", "class -1"),
        ("yolo", "0.5 0.5 0.5 0.1 0.1", "class 0.5"),
        ("yolo", "0 0.5 0.5 0.1", "has line 1 with 4 numbers: give class x y width height"),
        ("yolo", "0 0.5 0.5 0.1 0.1 0.9", "with 6 numbers"),
        ("yolo", "0 20 6 5 9", "with numbers outside of 0..1: give fractions"),
        ("yolo", "0 nan 0.5 0.1 0.1", "with numbers outside of 0..1"),
        ("labelme", "{", "LabelMe file .*b.json is not valid JSON"),
        ("labelme", "[]", "has no list shapes: it is of another format"),
        ("labelme", '{"shapes": [{"label": "x", "points": [[1]]}]}', "has shape 1 without a label or points"),
        ("labelme", '{"shapes": [{"points": [[1, 2], [3, 4]]}]}', "has shape 1 without a label or points"),
        ("labelme", '{"shapes": [5]}', "has shape 1 without a label or points"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, kind, text, sentence):
    write_split_folders(tmp_path, kind)
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    suffix = {"voc": ".xml", "yolo": ".txt", "labelme": ".json"}[kind]
    (tmp_path / "train" / f"b{suffix}").write_text(text)
    with pytest.raises(InputError, match=sentence):
        converted(tmp_path, folder=str(tmp_path), format=kind)
    assert not (tmp_path / "converted").exists()


def test_difficult_objects_of_voc_are_neither_trained_nor_counted(tmp_path):
    write_split_folders(tmp_path, "voc")
    path = tmp_path / "train" / "b.xml"
    path.write_text(path.read_text().replace("<bndbox>", "<difficult>1</difficult><bndbox>"))
    rows = converted(tmp_path, folder=str(tmp_path))["train"]["annotations"]
    assert [row["iscrowd"] for row in rows] == [0, 0, 1]


def test_a_size_that_voc_does_not_give_is_that_of_the_image(tmp_path):
    write_split_folders(tmp_path, "voc")
    for old in ("<width>40</width>", "<height>48</height>"):
        for path in (tmp_path / "train").glob("*.xml"):
            path.write_text(path.read_text(encoding="utf-8").replace(old, "<width>0</width>"), encoding="utf-8")
    assert content_of(converted(tmp_path, folder=str(tmp_path))["train"]) == expected()


def test_polygons_have_the_box_around_them(tmp_path, caplog):
    write_split_folders(tmp_path, "labelme")
    shapes = [
        {"label": "cat", "points": [[10, 10], [30, 20], [20, 60.5]]},
        {"label": "dog", "shape_type": "circle", "points": [[20, 40], [23, 44]]},
        {"label": "dog", "shape_type": "line", "points": [[1, 1], [9, 9]]},
    ]
    (tmp_path / "train" / "b.json").write_text(json.dumps({"imagePath": "b.png", "shapes": shapes}))
    boxes = content_of(converted(tmp_path, folder=str(tmp_path))["train"])["b.png"][1]
    assert boxes == (("cat", (10, 10, 20, 50.5)), ("dog", (15, 35, 10, 10)))
    assert "1 shapes of type line have no area: dropped" in caplog.text
    write_yolo(tmp_path / "yolo" / "train", IMAGES)
    write_images(tmp_path / "yolo" / "train")
    (tmp_path / "yolo" / "train" / "b.txt").write_text("1 0.25 0.125 0.75 0.25 0.5 0.75\n")
    paths = {
        f"{split}_{key}": str(tmp_path / "yolo" / "train")
        for split in ("train", "val")
        for key in ("image_dir", "annotations")
    }
    boxes = content_of(converted(tmp_path, **paths, classes=NAMES)["train"])["b.png"][1]
    assert boxes == (("cat", (10, 10, 20, 50)),)


def test_yolo_labels_without_names(tmp_path):
    write_split_folders(tmp_path, "yolo")
    with pytest.raises(
        InputError, match=r"has no class names: write them to .*classes\.txt, one a line, or to custom\.classes"
    ):
        converted(tmp_path, folder=str(tmp_path))


@pytest.mark.parametrize(
    ("given", "names", "kept"),
    [
        ({"classes": ("dog", "cat")}, ["dog", "cat"], 3),
        ({"classes": ("dog",)}, ["dog"], 2),
        ({"rename": {"cat": "animal", "dog": "animal"}}, ["animal"], 3),
        ({"rename": {"cat": "Katze"}}, ["Katze", "dog"], 3),
        ({"rename": {"cat": "Katze"}, "classes": ("Katze",)}, ["Katze"], 1),
    ],
)
def test_classes_are_ordered_renamed_merged_and_left_out(tmp_path, given, names, kept):
    write_split_folders(tmp_path, "voc")
    for dataset in converted(tmp_path, folder=str(tmp_path), **given).values():
        assert [category["name"] for category in dataset["categories"]] == names
        assert [category["id"] for category in dataset["categories"]] == list(range(1, len(names) + 1))
        assert len(dataset["annotations"]) == kept
        assert len(dataset["images"]) == 3


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"classes": ("cow",)}, "custom.classes has 'cow', which is no class: the classes are cat, dog"),
        ({"rename": {"cow": "Kuh"}}, "custom.rename has 'cow', which is no class: the classes are cat, dog"),
    ],
)
def test_a_class_that_is_none(tmp_path, given, sentence):
    write_split_folders(tmp_path, "voc")
    with pytest.raises(InputError, match=sentence):
        converted(tmp_path, folder=str(tmp_path), **given)


def write_scenes(folder, images):
    """Images that do not look alike, but the second and the third, which are the first compressed again."""
    folder.mkdir(exist_ok=True)
    for number, (name, size_wh, _) in enumerate(images):
        seed = 0 if number < 3 else number
        coarse = np.random.default_rng(seed).uniform(0, 255, (8, 8, 3)).astype(np.float32)
        scene = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
        if number in (1, 2):
            scene = cv2.imdecode(cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
        cv2.imwrite(str(folder / f"{name}{SUFFIX}"), scene)


def test_a_folder_without_splits_is_divided(tmp_path):
    images = [(f"{number:02d}", (40, 40), (("cat", (1, 2, 9, 9)),) * (number % 3)) for number in range(30)]
    write_scenes(tmp_path, images)
    write_voc(tmp_path, images)
    with pytest.raises(InputError, match=r"is not divided .*: set custom\.val_share to the share of the latter"):
        converted(tmp_path, folder=str(tmp_path))
    found = converted(tmp_path, folder=str(tmp_path), val_share=0.2)
    train, val = (content_of(found[split]) for split in ("train", "val"))
    assert len(val) == 6 and {**train, **val} == expected(images)
    assert converted(tmp_path, folder=str(tmp_path), val_share=0.2) == found
    for seed in range(8):
        val = content_of(converted(tmp_path, seed=seed, folder=str(tmp_path), val_share=0.2)["val"])
        assert sum(f"0{number}{SUFFIX}" in val for number in range(3)) in (0, 3)
    # An image that cannot be read is left to the check.
    (tmp_path / f"07{SUFFIX}").write_bytes(b"no image")
    converted(tmp_path, folder=str(tmp_path), val_share=0.2)
    assert converted(tmp_path, seed=2, folder=str(tmp_path), val_share=0.2) != found


@pytest.mark.parametrize("kind", WRITERS)
def test_equal_names_in_subfolders_and_hidden_files_of_other_systems(tmp_path, kind):
    for number, place in enumerate(("left", "right/far")):
        write_images(tmp_path / "images" / place, IMAGES[number : number + 1] * 1)
        shutil.move(next((tmp_path / "images" / place).glob("*")), tmp_path / "images" / place / "same.png")
        one = [("same", *IMAGES[number][1:])]
        WRITERS[kind](tmp_path / "labels" / place, one)
        (tmp_path / "labels" / place / "._same.xml").write_bytes(b"\0")
        (tmp_path / "labels" / place / "._same.json").write_bytes(b"\0")
    paths = {}
    for split in ("train", "val"):
        paths |= {f"{split}_image_dir": str(tmp_path / "images"), f"{split}_annotations": str(tmp_path / "labels")}
    dataset = converted(tmp_path, classes=NAMES, **paths)["train"]
    assert content_of(dataset) == {"left/same.png": IMAGES[0][1:], "right/far/same.png": IMAGES[1][1:]}


def test_labels_of_other_images(tmp_path):
    write_images(tmp_path / "images")
    write_yolo(tmp_path / "labels", [("other", (9, 9), (("cat", (1, 1, 3, 3)),))])
    paths = {}
    for split in ("train", "val"):
        paths |= {f"{split}_image_dir": str(tmp_path / "images"), f"{split}_annotations": str(tmp_path / "labels")}
    with pytest.raises(InputError, match="has no text file with the name of an image of"):
        converted(tmp_path, classes=NAMES, **paths)


def test_what_is_not_a_number_in_coco_stays_so(tmp_path):
    write_split_folders(tmp_path, "voc")
    dataset = converted(tmp_path, folder=str(tmp_path))["train"]
    dataset["annotations"][0]["area"] = float("nan")
    for split in ("train", "val"):
        (tmp_path / f"{split}.json").write_text(json.dumps(dataset))
    paths = {f"{split}_image_dir": str(tmp_path / split) for split in ("train", "val")}
    paths |= {f"{split}_annotations": str(tmp_path / f"{split}.json") for split in ("train", "val")}
    rows = converted(tmp_path, rename={"cat": "Katze"}, **paths)["train"]["annotations"]
    assert rows[0]["area"] != rows[0]["area"]
