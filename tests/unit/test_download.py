import os
import subprocess
import sys
from pathlib import Path

import pytest
from annotated_images import small_dataset, write_dataset

from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "download.py"


def download(folder, *words):
    command = [sys.executable, str(SCRIPT), "--manifest", "out/manifest.json", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})


def custom_words(train, val):
    words = ["--provider", "custom", "--train_image_dir", train[0], "--train_annotations", train[1]]
    return [*words, "--val_image_dir", val[0], "--val_annotations", val[1]]


def test_shapes_end_to_end_from_another_directory(tmp_path):
    folder = tmp_path / "ein Ordner für 画像"
    folder.mkdir()
    result = download(folder, "--provider", "shapes", "--train_images", 5, "--val_images", 2, "--log_file", "x.log")
    assert result.returncode == 0, result.stderr
    manifest = Manifest.read(folder / "out" / "manifest.json")
    assert manifest.provider == "shapes" and len(manifest.categories) >= 6
    assert [len(load_split(manifest, name)) for name in ("train", "val")] == [5, 2]
    assert str(folder) not in (folder / "out" / "manifest.json").read_text()
    assert "train: 5 images" in (folder / "x.log").read_text()


def test_custom_data_is_used_in_place(tmp_path):
    places = write_dataset(tmp_path / "mine here", small_dataset())
    before = sorted((tmp_path / "mine here").rglob("*"))
    result = download(tmp_path, *custom_words(places, places))
    assert result.returncode == 0, result.stderr
    assert sorted((tmp_path / "mine here").rglob("*")) == before
    assert not (tmp_path / "dataset").exists()
    assert load_split(Manifest.read(tmp_path / "out/manifest.json"), "val").path(0) == places[0] / "a.jpg"


def half(places):
    text = places[1].read_text()
    places[1].write_text(text[: len(text) // 2])


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (half, "is not valid JSON"),
        (lambda places: (places[0] / "a.jpg").unlink(), "a.jpg does not exist"),
        (lambda places: (places[0] / "a.jpg").write_bytes(b""), "a.jpg has 0 bytes"),
        (lambda places: (places[0] / "a.jpg").write_text("text"), "a.jpg is not an image"),
    ],
)
def test_bad_input_ends_with_a_sentence_and_no_manifest(tmp_path, spoil, sentence):
    places = write_dataset(tmp_path / "mine", small_dataset())
    spoil(places)
    result = download(tmp_path, *custom_words(places, places))
    assert result.returncode == 1
    assert sentence in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_wrong_option_names_what_is_allowed(tmp_path):
    result = download(tmp_path, "--provider", "shape")
    assert result.returncode == 2 and "shapes" in result.stderr
