"""A changed file concerns the split that it belongs to, in each layout."""

import json
import os
from pathlib import Path

import pytest
from label_files import IMAGES, NAMES, SUFFIX, write_images, write_labelme, write_voc, write_yolo

from yolov3.data.custom.content import split_content
from yolov3.data.custom.folder import read_place

NOTHING = dict.fromkeys(("train_image_dir", "train_annotations", "val_image_dir", "val_annotations"), "")


def custom(**given):
    return {"folder": "", "format": "auto", "val_share": 0, **NOTHING, **given}


def contents(section):
    found = {}
    for split in ("train", "val"):
        # As the next call of Snakemake would read it.
        split_content.__globals__["_files_below"].cache_clear()
        split_content.__globals__["_sha256_of"].cache_clear()
        found[split] = split_content(section, split)
    return found


def renamed(prefix):
    return [(f"{prefix} {name}", *rest) for name, *rest in IMAGES]


def write_coco(file, image_dir, images):
    write_voc(file.parent / "xml", images)
    dataset = read_place(file.parent / "xml", image_dir, "voc", ())
    for path in (file.parent / "xml").iterdir():
        path.unlink()
    (file.parent / "xml").rmdir()
    file.write_text(json.dumps(dataset), encoding="utf-8")


def four_coco_paths(folder):
    """Both splits in one folder of images."""
    section = custom()
    for split in ("train", "val"):
        write_images(folder / "images", renamed(split))
        write_coco(folder / f"{split}.json", folder / "images", renamed(split))
        section |= {f"{split}_image_dir": str(folder / "images"), f"{split}_annotations": str(folder / f"{split}.json")}
    return section


def four_voc_paths(folder):
    section = custom()
    for split in ("train", "val"):
        write_images(folder / "images", renamed(split))
        write_voc(folder / split, renamed(split))
        section |= {f"{split}_image_dir": str(folder / "images"), f"{split}_annotations": str(folder / split)}
    return section


def folders_of_labelme(folder):
    for split in ("train", "valid"):
        write_images(folder / split, renamed(split.replace("valid", "val")))
        write_labelme(folder / split, renamed(split.replace("valid", "val")))
    return custom(folder=str(folder))


def lists_of_voc(folder):
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for split in ("train", "val"):
        one_word = [(name.replace(" ", "_"), *rest) for name, *rest in renamed(split)]
        write_images(folder / "JPEGImages", one_word)
        write_voc(folder / "Annotations", one_word)
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(name for name, *_ in one_word))
    return custom(folder=str(folder))


def folders_of_yolo(folder):
    for split in ("train", "val"):
        write_images(folder / "images" / split, renamed(split))
        write_yolo(folder / "labels" / split, renamed(split))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {list(NAMES)}\n")
    return custom(folder=str(folder))


def coco_with_one_folder_of_images(folder):
    four_coco_paths(folder)
    return custom(folder=str(folder))


LAYOUTS = [
    four_coco_paths,
    four_voc_paths,
    folders_of_labelme,
    lists_of_voc,
    folders_of_yolo,
    coco_with_one_folder_of_images,
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("split", ["train", "val"])
def test_a_changed_file_concerns_its_split_only(tmp_path, layout, split):
    section = layout(tmp_path)
    before = contents(section)
    assert all(before.values()) and before["train"] != before["val"]
    changed = 0
    for path in sorted(tmp_path.rglob("*")):
        # An annotation file that the config names is tracked by its key.
        if not path.is_file() or not path.name.startswith(split) or str(path) in section.values():
            continue
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        after = contents(section)
        assert {name for name in after if after[name] != before[name]} == {split}, path
        path.write_bytes(content)
        changed += 1
    assert changed >= 3 and contents(section) == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_touched_or_moved_data_set_is_the_same(tmp_path, layout):
    before = contents(layout(tmp_path / "one"))
    for path in (tmp_path / "one").rglob("*"):
        os.utime(path, (1, 1))
    section = layout(tmp_path / "two")
    assert contents(section) == before


def test_a_file_that_both_splits_need_concerns_both(tmp_path):
    section = folders_of_yolo(tmp_path)
    before = contents(section)
    (tmp_path / "data.yaml").write_text((tmp_path / "data.yaml").read_text() + "nc: 2\n")
    after = contents(section)
    assert after["train"] != before["train"] and after["val"] != before["val"]


def test_a_divided_folder_concerns_both(tmp_path):
    write_images(tmp_path, renamed("val"))
    write_voc(tmp_path, renamed("val"))
    section = custom(folder=str(tmp_path), val_share=0.5)
    before = contents(section)
    image = next(tmp_path.glob(f"*{SUFFIX}"))
    image.write_bytes(image.read_bytes() + b" ")
    after = contents(section)
    assert after["train"] != before["train"] and after["val"] != before["val"]


def test_other_files_do_not_count(tmp_path):
    section = four_coco_paths(tmp_path)
    before = contents(section)
    (tmp_path / "images" / "unused.png").write_bytes(b"x")
    (tmp_path / "images" / ".hidden").write_bytes(b"x")
    assert contents(section) == before


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"file_name": "\\x"}'])
def test_what_is_missing_or_not_valid_is_told_by_the_stage(tmp_path, content):
    assert contents(custom(folder=str(tmp_path / "none"))) == {"train": "", "val": ""}
    (tmp_path / "train.json").write_bytes(content)
    section = custom(train_annotations=str(tmp_path / "train.json"), train_image_dir=str(tmp_path))
    assert isinstance(split_content(section, "train"), str)
    Path(tmp_path / "train.json").unlink()
    assert split_content(section, "train") == ""
