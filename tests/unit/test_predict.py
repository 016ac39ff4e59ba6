"""Predictions for own images: what the evaluation finds, from every kind of model, and files as users have them."""

import json
import shutil

import cv2
import numpy as np
import pytest
from exported_samples import SETTINGS, run_script, small_network, write_program, write_samples
from PIL import Image

from yolov3.boxes import pairwise_iou, xywh_to_xyxy
from yolov3.evaluation.postprocess import PostprocessSettings, detect, detect_decoded
from yolov3.network.preprocess import Placement
from yolov3.network.settings import NetworkSettings
from yolov3.prediction.pictures import picture_paths
from yolov3.prediction.predict import find_images
from yolov3.weights.checkpoint import save_checkpoint

SCORE = 0.4


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A data set, and a network as checkpoint, MindIR, ONNX, decoded ONNX and int8 ONNX."""
    folder = tmp_path_factory.mktemp("daten ü")
    manifest, checkpoint = write_samples(folder)
    words = ["--manifest", manifest]
    export = ["--ckpt_file", checkpoint, "--output_dir", folder]
    assert run_script("export", *words, *export) == 0
    decoded = ["--file_format", "ONNX", "--keep_detect", "true", "--file_name", "decoded", "--export_batch_size", 2]
    assert run_script("export", *words, *export, *decoded) == 0
    model = ["--model", folder / "yolov3_darknet53.onnx"]
    calibration = ["--output_dir", folder / "calibration", "--calibration", 1, "--calibration_images", 4]
    assert run_script("preprocess_bins", *words, *model, *calibration) == 0
    quantize = ["--quant_backend", "qdq", *model]
    quantize += ["--calibration_dir", folder / "calibration", "--output", folder / "int8.onnx"]
    assert run_script("post_quant", *quantize) == 0
    assert run_script("eval_coco", *words, "--pretrained", checkpoint, "--output_dir", folder / "eval") == 0
    return folder


def predict(model, place, output, *more):
    return run_script("predict", "--ckpt", model, "--input", place, "--output", output, "--score", SCORE, *more)


def predictions(output):
    return json.loads((output / "predictions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def evaluated(samples):
    """The evaluation's detections of at least SCORE, by file: (category_id, score, bbox)."""
    rows = json.loads((samples / "eval" / "detections.json").read_text(encoding="utf-8"))
    found = {f"{number:06d}.png": [] for number in range(1, 5)}
    for row in rows:
        if row["score"] >= SCORE:
            found[f"{row['image_id']:06d}.png"].append((row["category_id"], row["score"], row["bbox"]))
    assert sum(len(entries) for entries in found.values()) > 10
    return found


def test_checkpoint_finds_what_the_evaluation_finds(samples, evaluated, tmp_path):
    images = samples / "val" / "images"
    assert predict(samples / "yolov3.ckpt", images, tmp_path) == 0
    entries = predictions(tmp_path)
    assert [entry["file"] for entry in entries] == sorted(evaluated)
    for entry in entries:
        # The samples' checkpoint does not know the ids: 3 is "a", 9 is "b".
        found = [({"a": 3, "b": 9}[one["name"]], one["score"], one["bbox_xywh"]) for one in entry["detections"]]
        assert found == evaluated[entry["file"]]
        assert {one["category_id"] for one in entry["detections"]} == {None}
        height, width = cv2.imread(str(images / entry["file"])).shape[:2]
        assert (entry["width"], entry["height"]) == (width, height)
        assert cv2.imread(str(tmp_path / entry["file"])).shape[1] % width == 0


@pytest.mark.parametrize("name", ["yolov3_darknet53.mindir", "yolov3_darknet53.onnx", "decoded.onnx"])
def test_exported_models_find_the_same(samples, evaluated, tmp_path, name):
    assert predict(samples / name, samples / "val" / "images", tmp_path) == 0
    for entry in predictions(tmp_path):
        found = [(one["category_id"], one["score"], one["bbox_xywh"]) for one in entry["detections"]]
        expected = evaluated[entry["file"]]
        assert [one[0] for one in found] == [one[0] for one in expected]
        np.testing.assert_allclose([one[1] for one in found], [one[1] for one in expected], atol=2e-4)
        np.testing.assert_allclose(
            np.array([one[2] for one in found]).reshape(-1, 4),
            np.array([one[2] for one in expected]).reshape(-1, 4),
            atol=0.05,
        )


@pytest.mark.parametrize("name", ["yolov3.ckpt", "yolov3_darknet53.mindir", "decoded.onnx"])
def test_tiles_of_every_kind_of_model(samples, tmp_path, name):
    images = [cv2.imread(str(samples / "val" / "images" / f"00000{number}.png")) for number in (1, 2)]
    (tmp_path / "in").mkdir()
    # Both side by side, in which tiles without overlap are the two images.
    images = [cv2.resize(image, (96, 96)) for image in images]
    for number, image in enumerate([*images, np.concatenate(images, axis=1)]):
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), image)
    tiles = ["--tile_size", 96, "--tile_overlap", 0, "--tiles_only"]
    assert predict(samples / name, tmp_path / "in", tmp_path / "tiles", *tiles) == 0
    assert predict(samples / name, tmp_path / "in", tmp_path / "plain") == 0
    (*found, divided), (*expected, undivided) = predictions(tmp_path / "tiles"), predictions(tmp_path / "plain")
    assert found == expected
    moved = [(one["name"], one["score"], one["bbox_xywh"]) for one in expected[0]["detections"]]
    moved += [
        (one["name"], one["score"], [one["bbox_xywh"][0] + 96, *one["bbox_xywh"][1:]])
        for one in expected[1]["detections"]
    ]
    entries = [(one["name"], one["score"], one["bbox_xywh"]) for one in divided["detections"]]
    # All but what is cut off between the images and lies in a larger box of its class.
    assert len(moved) >= len(entries) > len(moved) / 2 and divided != undivided
    for label, score, bbox in entries:
        assert any((label, score) == other[:2] and np.allclose(bbox, other[2], atol=0.02) for other in moved), (
            label,
            score,
            bbox,
        )


def test_chosen_classes_come_before_the_limit(samples, tmp_path):
    images = samples / "val" / "images"
    assert predict(samples / "yolov3.ckpt", images, tmp_path / "all") == 0
    every = predictions(tmp_path / "all")
    # Not the class of the best detection, which the limit would keep.
    (chosen,) = {"a", "b"} - {every[0]["detections"][0]["name"]}
    limit = ["--classes", chosen, "--max_detections", 1]
    assert predict(samples / "yolov3.ckpt", images, tmp_path / "chosen", *limit) == 0
    best = [[one for one in entry["detections"] if one["name"] == chosen][:1] for entry in every]
    assert best[0] and [entry["detections"] for entry in predictions(tmp_path / "chosen")] == best


def test_int8_finds_nearly_the_same(samples, evaluated, tmp_path):
    assert predict(samples / "int8.onnx", samples / "val" / "images", tmp_path) == 0
    for entry in predictions(tmp_path):
        category, _, bbox = evaluated[entry["file"]][0]
        boxes_xywh = np.array([one["bbox_xywh"] for one in entry["detections"] if one["category_id"] == category])
        assert pairwise_iou(xywh_to_xyxy(np.array([bbox])), xywh_to_xyxy(boxes_xywh)).max() > 0.7


def test_checkpoint_carries_names_and_category_ids(tmp_path):
    settings = NetworkSettings(*(SETTINGS.backbone_shape, SETTINGS.backbone_layers, SETTINGS.anchors), ("Bär", "猫"))
    settings = NetworkSettings.from_values({**vars(settings), "category_ids": (12, 40)})
    save_checkpoint(tmp_path / "netz.ckpt", small_network(settings), settings)
    image = np.random.default_rng(3).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "straße 1.PNG"), image)
    output = tmp_path / "out ö"
    assert predict(tmp_path / "netz.ckpt", tmp_path / "straße 1.PNG", output) == 0
    (entry,) = predictions(output)
    assert entry["file"] == "straße 1.PNG"
    pairs = {(one["name"], one["category_id"]) for one in entry["detections"]}
    assert pairs and pairs <= {("Bär", 12), ("猫", 40)}
    assert {path.name for path in output.iterdir()} == {"predictions.json", "straße 1.png"}
    assert '"Bär"' in (output / "predictions.json").read_text(encoding="utf-8") or ("Bär", 12) not in pairs


def test_letterbox_changes_what_the_network_sees(samples, tmp_path):
    place = samples / "val" / "images" / "000001.png"
    for value in ("true", "false", "null"):
        assert predict(samples / "yolov3.ckpt", place, tmp_path / value, "--letterbox", value) == 0
    assert predictions(tmp_path / "true") != predictions(tmp_path / "false") == predictions(tmp_path / "null")


def test_image_turned_by_its_exif_is_predicted_upright(samples, tmp_path):
    upright = Image.open(samples / "val" / "images" / "000001.png").resize((120, 80))
    upright.save(tmp_path / "upright.png")
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    # 6: to be turned by 90 degrees clockwise when shown.
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    for name in ("upright.png", "turned.png"):
        place, output = tmp_path / name, tmp_path / name.partition(".")[0]
        assert predict(samples / "yolov3.ckpt", place, output) == 0
    (expected,), (found,) = predictions(tmp_path / "upright"), predictions(tmp_path / "turned")
    assert {**found, "file": ""} == {**expected, "file": ""}
    assert (found["width"], found["height"]) == (120, 80)
    pictures = [cv2.imread(str(tmp_path / name / f"{name}.png")) for name in ("upright", "turned")]
    assert (pictures[0] == pictures[1]).all()


def test_folders_in_order_with_broken_and_other_files(samples, tmp_path, capfd):
    source = samples / "val" / "images" / "000001.png"
    place = tmp_path / "bilder ä"
    for name in ("b/x.png", "a.png", "B.PNG", ".hidden/c.png", "b/._x.png"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place / name)
    grey = cv2.imread(str(source), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(place / "grau.jpeg"), grey)
    cv2.imwrite(str(place / "grau.jpg"), grey)
    cv2.imwrite(str(place / "tief.tif"), grey.astype(np.uint16) * 257)
    (place / "notes.txt").write_text("no image")
    (place / "broken.jpg").write_bytes(b"no image either")
    # Results inside of the input are not taken for input.
    output = place / "results"
    for _ in range(2):
        assert predict(samples / "yolov3.ckpt", place, output) == 1
        said = capfd.readouterr().err.splitlines()
        assert "WARNING skipped: image" in said[0] and "broken.jpg" in said[0]
        assert "1 of 7 images could not be read and were skipped" in said[-1]
        expected = ["B.PNG", "a.png", "b/x.png", "grau.jpeg", "grau.jpg", "tief.tif"]
        assert [entry["file"] for entry in predictions(output)] == expected
    found = {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}
    assert found == {"B.png", "a.png", "b/x.png", "grau.jpg", "grau.jpg.jpg", "tief.png", "predictions.json"}


def test_an_output_that_is_a_file_or_holds_the_input(samples, tmp_path, capfd):
    shutil.copytree(samples / "val" / "images", tmp_path / "pictures")
    (tmp_path / "file").touch()
    assert predict(samples / "yolov3.ckpt", tmp_path / "pictures", tmp_path / "file") == 1
    said = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
    assert len(said) == 1 and "file cannot be written (File exists)" in said[0]
    assert predict(samples / "yolov3.ckpt", tmp_path / "pictures", tmp_path) == 0
    assert (tmp_path / "predictions.json").is_file()


def test_pictures_never_share_a_name(tmp_path):
    files = [tmp_path / name for name in ("a.jpeg", "a.jpg", "a.png", "a.tif", "a.tif.png")]
    pictures = picture_paths(files, tmp_path, tmp_path / "out")
    assert len(set(pictures.values())) == len(files)
    assert pictures[files[0]] == tmp_path / "out" / "a.jpg"


def test_mistakes_are_one_sentence(samples, tmp_path, capfd):
    images = samples / "val" / "images"
    image, checkpoint, onnx = images / "000001.png", samples / "yolov3.ckpt", samples / "yolov3_darknet53.onnx"
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG broken")
    (tmp_path / "alone.onnx").write_bytes(onnx.read_bytes())
    (tmp_path / "yolo.pt").write_bytes(b"other")
    echo = write_program(tmp_path / "echo", "print(*sys.argv)\nsys.exit(1)")
    for name in ("cut.onnx", "yolo.ms", "yolo.om"):
        (tmp_path / name).write_bytes(onnx.read_bytes()[:999])
        shutil.copy(samples / f"{onnx.name}.json", tmp_path / f"{name}.json")
    for model, place, more, sentence in (
        (checkpoint, tmp_path / "empty", [], "contains no images (.jpg"),
        (checkpoint, tmp_path / "none", [], "neither an image nor a folder"),
        (checkpoint, tmp_path / "broken.png", [], "broken.png"),
        (tmp_path / "none.ckpt", image, [], "does not exist"),
        (tmp_path / "none.onnx", image, [], "does not exist"),
        (tmp_path / "alone.onnx", image, [], "model description"),
        (tmp_path / "cut.onnx", image, [], "rejected by ONNX Runtime"),
        (tmp_path / "yolo.pt", image, [], "unsupported format: use a .ckpt, .mindir, .onnx"),
        (tmp_path / "yolo.ms", image, ["--program", tmp_path / "none"], "run snakemake --cores 2 build_native310"),
        (tmp_path / "yolo.ms", image, ["--program", echo], "--engine lite --device cpu --device_id 0"),
        (
            tmp_path / "yolo.om",
            image,
            ["--program", echo, "--device_id", 3],
            "--engine acl --device ascend --device_id 3",
        ),
        (onnx, image, ["--testing_shape", 96], "was exported for 64 x 64"),
        (onnx, image, ["--classes", "a", "cat"], "the model has no class 'cat': choose from a, b"),
        (onnx, image, ["--tiles_only"], "--tiles_only needs tiles: give --tile_size"),
        (onnx, image, ["--annotations", "x.json"], "--annotations gives the ids of COCO results: give --format coco"),
        (onnx, image, ["--format", "coco", "--annotations", tmp_path / "none.json"], "none.json does not exist"),
        (tmp_path / "yolo.ms", image, ["--tile_size", 64], "native program, which does not support tiles: use the .ck"),
        (onnx, image, ["--letterbox", "true"], "letterbox is true but"),
    ):
        output = tmp_path / "out"
        assert predict(model, place, output, *more) == 1, sentence
        said = [line for line in capfd.readouterr().err.splitlines() if " ERROR " in line]
        assert len(said) == 1 and sentence in said[0]
        assert not output.exists()
    content = image.read_bytes()
    assert predict(checkpoint, images, images) == 1
    assert "would overwrite the image" in capfd.readouterr().err
    assert predict(checkpoint, image, images) == 1
    assert "would overwrite" in capfd.readouterr().err
    assert image.read_bytes() == content


def test_decoded_outputs_give_the_boxes_of_raw_ones():
    rng = np.random.default_rng(2)
    raw = tuple(rng.normal(0, 1.5, (3 * 7, 64 // s, 64 // s)).astype(np.float32) for s in (8, 16, 32))
    decoded = []
    for maps, anchors, stride in zip(raw, np.array(SETTINGS.anchors).reshape(3, 3, 2), (8, 16, 32), strict=True):
        fields = maps.reshape(3, 7, *maps.shape[1:]).transpose(2, 3, 0, 1).astype(np.float64)
        out = 1 / (1 + np.exp(-fields))
        cells = 64 // stride
        for row in range(cells):
            for column in range(cells):
                out[row, column, :, 0] = (out[row, column, :, 0] + column) / cells
                out[row, column, :, 1] = (out[row, column, :, 1] + row) / cells
        out[..., 2:4] = np.exp(fields[..., 2:4]) * anchors / 64
        decoded.append(out.astype(np.float32))
    settings = PostprocessSettings(0.3, 0.5, 0)
    expected = detect(raw, (64, 64), SETTINGS.anchors, Placement(200, 100), settings)
    found = detect_decoded(tuple(decoded), Placement(200, 100), settings)
    assert len(expected.scores) > 10
    assert found.labels.tolist() == expected.labels.tolist()
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_find_images_takes_any_single_file(tmp_path):
    (tmp_path / "photo").write_bytes(b"x")
    assert find_images(tmp_path / "photo") == [tmp_path / "photo"]
