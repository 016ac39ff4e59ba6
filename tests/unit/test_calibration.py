"""Calibration images: seeded, from the training split, in the layout that the converter reads."""

import json

import numpy as np
import pytest
from exported_samples import SIZE, run_script, write_samples

from yolov3.data.annotations import load_split
from yolov3.data.images import read_image_rgb
from yolov3.data.manifest import Manifest
from yolov3.errors import InputError
from yolov3.native.bins import BinsSettings, write_bins
from yolov3.network.preprocess import normalise, place_image
from yolov3.network.settings import NORMALISATIONS
from yolov3.quantization.calibration import CalibrationFolder, calibration_bins, draw_images

IMAGENET = NORMALISATIONS["imagenet"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("data"), images=9)[0]


@pytest.fixture
def folder(manifest, tmp_path):
    words = ["--manifest", manifest, "--output_dir", tmp_path / "cal", "--testing_shape", SIZE, "--calibration", 1]
    assert run_script("preprocess_bins", *words, "--calibration_images", 3, "--calibration_seed", 5) == 0
    return tmp_path / "cal"


def test_images_are_drawn_once_each_by_the_seed(manifest):
    split = load_split(Manifest.read(manifest), "train")
    drawn = draw_images(split, 5, 1)
    assert drawn == sorted(set(drawn)) and len(drawn) == 5 and 0 <= drawn[0] <= drawn[-1] < 9
    assert draw_images(split, 5, 1) == drawn
    assert len({tuple(draw_images(split, 5, seed)) for seed in range(8)}) > 1
    assert draw_images(split, 9, 3) == list(range(9))
    assert draw_images(split, 10, 1) == list(range(9))


def test_folder_holds_training_images_as_float_nhwc_and_nothing_else(folder, manifest):
    opened = CalibrationFolder.read(folder, (SIZE, SIZE), IMAGENET)
    assert sorted(folder.rglob("*.bin")) == sorted(opened.files) and len(opened) == 3
    train = manifest.parent / "train" / "images"
    for entry, file in zip(json.loads((folder / "index.json").read_text())["images"], opened.files, strict=True):
        image = read_image_rgb(train / f"{entry['name']}.png")
        expected = normalise(place_image(image, (SIZE, SIZE), False)[0], IMAGENET)
        found = np.fromfile(file, np.float32).reshape(SIZE, SIZE, 3)
        np.testing.assert_array_equal(found, expected.transpose(1, 2, 0))


def test_batches_are_nchw_and_filled_up(folder):
    opened = CalibrationFolder.read(folder, (SIZE, SIZE), IMAGENET)
    single = np.concatenate(list(opened.batches(1)))
    assert single.shape == (3, 3, SIZE, SIZE)
    np.testing.assert_array_equal(np.concatenate(list(opened.batches(2))), single[[0, 1, 2, 0]])
    np.testing.assert_array_equal(np.concatenate(list(opened.batches(5))), single[[0, 1, 2, 0, 1]])
    np.testing.assert_array_equal(
        single[1], np.fromfile(opened.files[1], np.float32).reshape(SIZE, SIZE, 3).transpose(2, 0, 1)
    )


def test_wrong_folders_are_refused(folder, manifest, tmp_path):
    def refused(place, pattern, size=SIZE, mean_std=IMAGENET):
        with pytest.raises(InputError, match=pattern):
            CalibrationFolder.read(place, (size, size), mean_std)

    refused(tmp_path / "none", "does not exist")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "is empty")
    refused(folder, "draw the images again", size=SIZE * 2)
    refused(folder, "differs from the model in mean_rgb or std_rgb", mean_std=NORMALISATIONS["unit"])
    split = load_split(Manifest.read(manifest), "train")
    write_bins(split, [0], BinsSettings(SIZE, False, IMAGENET, "uint8", "NCHW"), tmp_path / "bins")
    refused(tmp_path / "bins", "uint8 NCHW")
    write_bins(split, [], calibration_bins(SIZE, False, IMAGENET), tmp_path / "no images")
    refused(tmp_path / "no images", "no images")
    file = CalibrationFolder.read(folder, (SIZE, SIZE), IMAGENET).files[1]
    file.write_bytes(file.read_bytes()[:-4])
    refused(folder, f"{file.name} is missing or not of")
    file.unlink()
    refused(folder, f"{file.name} is missing or not of")
