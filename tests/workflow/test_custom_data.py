"""A user's own data set, as small as it gets, through the workflow."""

import json

import cv2
import numpy as np
import pytest
from conftest import SMALL, changed, copy_of_a_run, edited
from label_files import write_images, write_voc

from yolov3.data.manifest import Manifest


def one_image_one_class(folder):
    folder.mkdir(parents=True)
    image = np.full((120, 160, 3), 40, np.uint8)
    image[30:80, 50:110] = 220
    # cv2.imwrite takes UTF-8 paths on Linux.
    assert cv2.imwrite(str(folder / "größe 1.jpg"), image)
    dataset = {
        "images": [{"id": 42, "file_name": "größe 1.jpg", "width": 160, "height": 120}],
        "categories": [{"id": 17, "name": "Kiste <b>"}],
        "annotations": [
            {"id": 5, "image_id": 42, "category_id": 17, "bbox": [50, 30, 60, 50], "area": 3000, "iscrowd": 0}
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(dataset), encoding="utf-8")
    return folder


def project_on(data, finished, folder):
    """Of the other run, only the native program is there."""
    project = copy_of_a_run(finished, folder, (".snakemake", "results/native310", "results/benchmarks"))
    places = {
        f"custom.{split}_{kind}": str(path)
        for split in ("train", "val")
        for kind, path in (("image_dir", data), ("annotations", data / "annotations.json"))
    }
    project.write_config(changed(SMALL, {"data.provider": "custom", "backbone.source": "none", **places}))
    return project


@pytest.mark.long
def test_one_image_and_one_class(finished, tmp_path):
    data = one_image_one_class(tmp_path / "meine daten")
    project = project_on(data, finished, tmp_path)
    done = project.snakemake("report")
    told = "recipe modern and network.size full choose network.batch_norm_momentum 0.95, train.optimizer adamw"
    assert told in done.stdout + done.stderr
    metrics = json.loads((project.folder / "results" / "eval_coco" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["images"] == 1
    assert list(metrics["per_class"]) == ["Kiste <b>"]
    page = (project.folder / "results" / "report" / "report.html").read_text(encoding="utf-8")
    assert "Kiste &lt;b&gt;" in page
    assert "The first batch" in page
    assert "2 updates are few for a network of" in page
    assert "Kiste <b>" not in page
    # The images are used in place.
    assert not (project.folder / "dataset").exists()


def test_a_folder_of_voc_files_is_divided_and_converted(finished, tmp_path):
    data = tmp_path / "meine daten"
    images = [(f"{number}", (64, 64), (("Kiste", (4, 6, 20, 30)),)) for number in range(6)]
    write_images(data, images)
    for number, path in enumerate(sorted(data.glob("*"))):
        # Noise, which does not look alike; the last two are the same picture.
        noise = np.random.default_rng(min(number, 4)).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        assert cv2.imwrite(str(path), noise)
    write_voc(data, images)
    project = copy_of_a_run(finished, tmp_path, (".snakemake",))
    places = {"custom.folder": str(data), "custom.val_share": 0.5}
    project.write_config(changed(SMALL, {"data.provider": "custom", "backbone.source": "none", **places}))
    project.snakemake("download")
    manifest = Manifest.read(project.folder / "results" / "data" / "manifest.json")
    assert sorted(manifest.split(split).images for split in ("train", "val")) in ([2, 4], [3, 3])
    assert project.wanted_rules("download") == set()
    project.snakemake("data_report")
    page = (project.folder / "results" / "data_report" / "data.html").read_text(encoding="utf-8")
    assert "Kiste has fewer than 50 training boxes" in page and "Images that look alike" in page
    assert project.wanted_rules("data_report") == set()
    (project.folder / "results" / "data" / "val" / "annotations.json").unlink()
    assert "download_val" in project.wanted_rules("preprocess_bins")
    assert project.wanted_rules("download") == set()
    project.snakemake("download", "--forcerun", "download_val")
    edited(data / "3.xml", "<xmin>4</xmin>", "<xmin>5</xmin>")
    assert project.wanted_rules("download") == {"download_train", "download_val", "download"}
    project.write_config(changed(SMALL, {"data.provider": "custom", "seed": 9, "backbone.source": "none", **places}))
    assert project.wanted_rules("download") == {"download_train", "download_val", "download"}


def test_cut_annotations_stop_with_a_sentence(finished, tmp_path):
    data = one_image_one_class(tmp_path / "daten")
    whole = (data / "annotations.json").read_text(encoding="utf-8")
    (data / "annotations.json").write_text(whole[: len(whole) // 2], encoding="utf-8")
    project = project_on(data, finished, tmp_path)
    done = project.snakemake("download", check=False)
    assert done.returncode == 1
    log = (project.folder / "logs" / "download_train.log").read_text(encoding="utf-8")
    assert "is not valid JSON at line 1" in log
    assert "Traceback" not in log + done.stdout + done.stderr
    assert not (project.folder / "results" / "data" / "manifest.json").exists()
