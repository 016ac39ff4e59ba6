"""Bins: byte for byte what evaluation feeds, complete or not there."""

import dataclasses
import json
import os
import shutil
from collections import namedtuple

import cv2
import numpy as np
import pytest
from exported_samples import SETTINGS, run_script
from small_coco import write_small_coco

from yolov3.data.annotations import load_split
from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.data.images import read_image_rgb
from yolov3.errors import InputError
from yolov3.evaluation.evaluate import EvaluationSettings, detect_split
from yolov3.evaluation.postprocess import PostprocessSettings
from yolov3.native.bins import BinsSettings, image_names, write_bins
from yolov3.network.preprocess import normalise
from yolov3.network.settings import NORMALISATIONS

SIZE = 96
IMAGENET = NORMALISATIONS["imagenet"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("Daten ü")
    train = write_small_coco(folder / "train", images=7, seed=1)
    val = write_small_coco(folder / "val", images=5, seed=2)
    described = check_dataset("custom", {"train": train, "val": val}, CheckSettings("decode", False))
    described.write(folder / "manifest.json")
    return described, folder / "manifest.json"


@pytest.fixture(scope="module")
def split(manifest):
    return load_split(manifest[0], "val")


def fed_by_evaluation(split, letterbox, normalisation="imagenet"):
    """What the network is given by evaluation, one array an image."""
    fed = []

    def network(images):
        fed.extend(images.copy())
        return tuple(np.full((len(images), 21, SIZE // s, SIZE // s), -30, np.float32) for s in (8, 16, 32))

    settings = EvaluationSettings(SIZE, 1, letterbox, PostprocessSettings(0.001, 0.5, 0))
    detect_split(network, dataclasses.replace(SETTINGS, normalisation=normalisation), split, settings)
    return fed


def index_of(folder):
    return json.loads((folder / "index.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("letterbox", [False, True])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("normalisation", ["imagenet", "unit"])
def test_float_bins_are_the_bytes_that_evaluation_feeds(split, tmp_path, letterbox, layout, normalisation):
    settings = BinsSettings(SIZE, letterbox, NORMALISATIONS[normalisation], "float32", layout)
    write_bins(split, range(5), settings, tmp_path / "bins ü")
    evaluated = fed_by_evaluation(split, letterbox, normalisation)
    for entry, fed in zip(index_of(tmp_path / "bins ü")["images"], evaluated, strict=True):
        expected = fed if layout == "NCHW" else np.ascontiguousarray(fed.transpose(1, 2, 0))
        assert (tmp_path / "bins ü" / entry["file"]).read_bytes() == expected.tobytes()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_uint8_bins_normalised_are_the_bytes_that_evaluation_feeds(split, tmp_path, layout):
    write_bins(split, range(5), BinsSettings(SIZE, False, IMAGENET, "uint8", layout), tmp_path / "bins")
    for entry, fed in zip(index_of(tmp_path / "bins")["images"], fed_by_evaluation(split, False), strict=True):
        pixels = np.fromfile(tmp_path / "bins" / entry["file"], np.uint8)
        image = pixels.reshape(3, SIZE, SIZE).transpose(1, 2, 0) if layout == "NCHW" else pixels.reshape(SIZE, SIZE, 3)
        assert normalise(image, IMAGENET).tobytes() == fed.tobytes()


@pytest.mark.parametrize("calibration", [0, 1])
def test_unit_normalisation_is_pixels_over_255(manifest, tmp_path, calibration):
    words = ["--manifest", manifest[1], "--output_dir", tmp_path / "bins", "--testing_shape", SIZE]
    words += ["--normalisation", "unit", "--calibration", calibration, "--bins_layout", "NHWC"]
    assert run_script("preprocess_bins", *words) == 0
    index = index_of(tmp_path / "bins")
    assert (index["mean_rgb"], index["std_rgb"]) == ([0, 0, 0], [1, 1, 1])
    split = load_split(manifest[0], "train" if calibration else "val")
    for entry, image_id in zip(index["images"], split.image_ids, strict=True):
        image = read_image_rgb(split.path(list(split.image_ids).index(image_id)))
        resized = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        if min(image.shape[:2]) >= SIZE:
            resized = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        found = np.fromfile(tmp_path / "bins" / entry["file"], np.float32).reshape(SIZE, SIZE, 3)
        np.testing.assert_allclose(found, resized / 255, atol=1e-6)


def test_index_and_lists_tell_the_images(split, tmp_path):
    write_bins(split, [3, 0], BinsSettings(SIZE, True, IMAGENET, "uint8", "NHWC"), tmp_path / "bins")
    index = index_of(tmp_path / "bins")
    assert (index["format"], index["input_size"], index["dtype"], index["layout"]) == (1, [SIZE, SIZE], "uint8", "NHWC")
    assert (index["mean_rgb"], index["std_rgb"]) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    first = index["images"][0]
    width, height = split.sizes_wh[3].tolist()
    assert (first["id"], first["name"], first["file"]) == (4, "000004", "images/000004.bin")
    assert (first["width"], first["height"]) == (width, height)
    # The longer side fills the input; the other is centred, on whole pixels.
    share_x, share_y = first["share_xy"]
    assert max(share_x, share_y) == 1
    assert min(share_x, share_y) == pytest.approx(min(width, height) / max(width, height), abs=0.5 / SIZE)
    assert first["offset_xy"] == pytest.approx([(1 - share_x) / 2, (1 - share_y) / 2], abs=0.5 / SIZE)
    assert (tmp_path / "bins" / "image_id.txt").read_text() == "4\n1\n"
    assert (tmp_path / "bins" / "image_shape.txt").read_text().splitlines()[0] == f"{width} {height}"
    assert {path.stat().st_size for path in (tmp_path / "bins" / "images").iterdir()} == {3 * SIZE * SIZE}


def test_images_of_one_name_in_two_folders_keep_apart(split):
    Split = namedtuple("Split", "file_names image_ids")
    assert image_names(Split(("a/1.jpg", "b/2.jpg"), [7, 8]), [0, 1]) == ["1", "2"]
    assert image_names(Split(("a/1.jpg", "b/1.jpg"), [7, 8]), [0, 1]) == ["7", "8"]


def test_a_name_that_fills_a_file_name_gives_way_to_the_id(split):
    Split = namedtuple("Split", "file_names image_ids")
    assert image_names(Split(("ü" * 120 + ".jpg",), [7]), [0]) == ["7"]


def test_a_broken_image_leaves_nothing_behind(manifest, tmp_path):
    place = write_small_coco(tmp_path / "data", images=5, seed=3)
    described = check_dataset("custom", {"train": place, "val": place}, CheckSettings("decode", False))
    broken = place[0] / "000003.png"
    broken.write_bytes(broken.read_bytes()[:200])
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"000003\.png"):
        settings = BinsSettings(SIZE, False, IMAGENET)
        write_bins(load_split(described, "val"), range(5), settings, tmp_path / "out" / "bins")
    assert not list((tmp_path / "out").iterdir())


def test_a_small_disk_is_told_before_anything_is_written(split, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 5 * SIZE * SIZE * 12))
    with pytest.raises(InputError, match=r"GiB free but bins of 5 images needs .*uint8"):
        write_bins(split, range(5), BinsSettings(SIZE, False, IMAGENET), tmp_path / "bins")
    assert not list(tmp_path.iterdir())
    write_bins(split, range(5), BinsSettings(SIZE, False, IMAGENET, "uint8"), tmp_path / "bins")


def test_older_bins_without_index_make_room(split, tmp_path, monkeypatch):
    settings = BinsSettings(SIZE, True, IMAGENET)
    write_bins(split, range(5), settings, tmp_path / "bins")
    (tmp_path / "bins" / "index.json").unlink()
    usage = namedtuple("usage", "total used free")

    def free_beside_older_bins(path):
        return usage(0, 0, 0 if (tmp_path / "bins").exists() else 10**9)

    monkeypatch.setattr(shutil, "disk_usage", free_beside_older_bins)
    write_bins(split, range(3), settings, tmp_path / "bins")
    assert len(index_of(tmp_path / "bins")["images"]) == 3


def test_a_full_disk_names_the_file_and_leaves_nothing(split, tmp_path, monkeypatch, capfd, manifest):
    def no_space(self, data):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(type(tmp_path), "write_bytes", no_space)
    words = ["--manifest", manifest[1], "--output_dir", tmp_path / "bins", "--testing_shape", SIZE]
    assert run_script("preprocess_bins", *words) == 1
    assert "images/000001.bin cannot be written (No space left on device)" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_older_folder_is_replaced_but_nothing_else(split, tmp_path):
    folder = tmp_path / "bins"
    write_bins(split, range(5), BinsSettings(SIZE, False, IMAGENET), folder)
    write_bins(split, range(2), BinsSettings(SIZE, False, IMAGENET), folder)
    assert len(list((folder / "images").iterdir())) == 2
    shutil.rmtree(folder)
    folder.mkdir()
    write_bins(split, range(1), BinsSettings(SIZE, False, IMAGENET), folder)
    (folder / "index.json").unlink()
    write_bins(split, range(2), BinsSettings(SIZE, False, IMAGENET), folder)
    assert len(list((folder / "images").iterdir())) == 2
    for name in ("index.json", "image_id.txt"):
        (folder / name).unlink()
    with pytest.raises(InputError, match="holds no bins"):
        write_bins(split, range(1), BinsSettings(SIZE, False, IMAGENET), folder)
    assert (folder / "images" / "000001.bin").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["bins"]


def test_an_interrupted_removal_is_gone_on_with(split, tmp_path, monkeypatch):
    settings = BinsSettings(SIZE, False, IMAGENET)
    write_bins(split, range(5), settings, tmp_path / "bins")
    (tmp_path / "bins" / "index.json").unlink()
    remove, removed = shutil.rmtree, []

    def interrupted(path, **options):
        removed.append(path)
        if len(removed) > 1:
            raise KeyboardInterrupt
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bins(split, range(2), settings, tmp_path / "bins")
    assert not (tmp_path / "bins" / "images").exists()
    monkeypatch.setattr(shutil, "rmtree", remove)
    write_bins(split, range(2), settings, tmp_path / "bins")


def test_a_link_to_another_disk_stays(split, tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "bins").symlink_to("large disk")
    for count in (2, 3):
        write_bins(split, range(count), BinsSettings(SIZE, False, IMAGENET), tmp_path / "bins")
        assert (tmp_path / "bins").is_symlink()
        assert len(list((tmp_path / "large disk" / "images").iterdir())) == count


def test_stage_writes_all_images_of_the_validation_split(manifest, tmp_path):
    words = ["--manifest", manifest[1], "--output_dir", tmp_path / "bins", "--testing_shape", SIZE]
    assert run_script("preprocess_bins", *words, "--bins_dtype", "uint8") == 0
    assert [entry["id"] for entry in index_of(tmp_path / "bins")["images"]] == [1, 2, 3, 4, 5]
