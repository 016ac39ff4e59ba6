"""A data set named by its manifest or by its folder."""

import argparse

import pytest
from small_coco import write_small_coco

from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.options import add_manifest_options, manifest_of
from yolov3.errors import InputError


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_manifest_options(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "annotations").mkdir()
    for split, seed in (("train", 1), ("val", 2)):
        image_dir, annotations = write_small_coco(tmp_path / f"{split} made", images=3, seed=seed)
        image_dir.rename(tmp_path / split)
        annotations.rename(tmp_path / "annotations" / f"{split}.json")
    return tmp_path


def test_a_folder_gives_what_its_manifest_does(folder, tmp_path):
    places = {split: (folder / split, folder / "annotations" / f"{split}.json") for split in ("train", "val")}
    check_dataset("custom", places, CheckSettings("decode", False)).write(tmp_path / "manifest.json")
    by_folder, by_file = (
        manifest_of(parsed("--data_dir", folder)),
        manifest_of(parsed("--manifest", tmp_path / "manifest.json")),
    )
    assert by_folder.categories == by_file.categories
    assert {name: split.images for name, split in by_folder.splits.items()} == {"train": 3, "val": 3}
    for name, split in by_file.splits.items():
        assert by_folder.splits[name].image_dir == split.image_dir
        assert by_folder.splits[name].annotation_file == split.annotation_file


def test_a_folder_without_annotations_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"train\.json"):
        manifest_of(parsed("--data_dir", tmp_path))


@pytest.mark.parametrize("words", [(), ("--manifest", "a.json", "--data_dir", "b")])
def test_one_of_both_must_be_given(words):
    with pytest.raises(SystemExit):
        parsed(*words)
