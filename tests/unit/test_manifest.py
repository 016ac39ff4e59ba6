import json
from dataclasses import replace
from pathlib import Path

import pytest

from yolov3.data.manifest import Category, Manifest, SplitFiles
from yolov3.errors import InputError


def manifest(folder):
    def files(name):
        return SplitFiles(
            folder / "bilder ü" / name, folder / f"{name}.json", 5, 9, 1, 2, 4, ("a b.jpg", "ü.jpg"), name
        )

    categories = (Category(1, "person"), Category(90, "zahnbürste"))
    return Manifest("custom", categories, {"train": files("train"), "val": files("val")})


def test_round_trip_with_absolute_paths(tmp_path):
    written = manifest(tmp_path)
    written.write(tmp_path / "out" / "manifest.json")
    read = Manifest.read(tmp_path / "out" / "manifest.json")
    assert read == written and read.fingerprint("train", "val") == written.fingerprint("train", "val")


def test_splits_of_one_data_set_are_put_together(tmp_path):
    whole = manifest(tmp_path)
    for name in ("train", "val"):
        replace(whole, splits={name: whole.splits[name]}).write(tmp_path / f"{name}.json")
    assert Manifest.read(tmp_path / "train.json", tmp_path / "val.json") == whole
    only_train = Manifest.read(tmp_path / "train.json")
    assert only_train.fingerprint("train") == whole.fingerprint("train")
    with pytest.raises(InputError, match="has no split val"):
        only_train.split("val")
    replace(whole, categories=(Category(1, "person"),)).write(tmp_path / "val.json")
    with pytest.raises(InputError, match="of different data sets"):
        Manifest.read(tmp_path / "train.json", tmp_path / "val.json")


def test_paths_in_the_working_directory_move_with_it(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    manifest(Path("dataset")).write("results/data/manifest.json")
    monkeypatch.chdir(tmp_path)
    here.rename(tmp_path / "moved")
    files = Manifest.read("moved/results/data/manifest.json").splits["val"]
    assert files.image_dir.absolute() == tmp_path / "moved" / "dataset" / "bilder ü" / "val"
    assert files.annotation_file.absolute() == tmp_path / "moved" / "dataset" / "val.json"


def test_paths_elsewhere_stay_when_the_working_directory_moves(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    manifest(tmp_path / "disk").write("manifest.json")
    monkeypatch.chdir(tmp_path)
    here.rename(tmp_path / "moved")
    assert Manifest.read("moved/manifest.json").splits["val"].annotation_file == tmp_path / "disk" / "val.json"


def test_fingerprint_follows_categories_and_splits(tmp_path):
    first = manifest(tmp_path)
    renamed = replace(first, categories=(Category(1, "persons"), first.categories[1]))
    changed = replace(first, splits={**first.splits, "val": replace(first.splits["val"], fingerprint="x")})
    moved = manifest(tmp_path / "elsewhere")
    prints = [each.fingerprint("train", "val") for each in (first, renamed, changed)]
    assert len(set(prints)) == 3 and moved.fingerprint("train", "val") == prints[0]
    # Of a changed validation set the training images know nothing.
    assert changed.fingerprint("train") == first.fingerprint("train") != renamed.fingerprint("train")


@pytest.mark.parametrize(
    "spoil", [lambda v: v.pop("splits"), lambda v: v.update(format_version=99), lambda v: v["categories"].append(3)]
)
def test_another_file_is_refused(tmp_path, spoil):
    path = tmp_path / "manifest.json"
    manifest(tmp_path).write(path)
    value = json.loads(path.read_text())
    spoil(value)
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="run the download stage again"):
        Manifest.read(path)


def test_a_list_or_nothing_is_refused(tmp_path):
    (tmp_path / "list.json").write_text("[]")
    for name in ("list.json", "missing.json"):
        with pytest.raises(InputError, match=name):
            Manifest.read(tmp_path / name)
