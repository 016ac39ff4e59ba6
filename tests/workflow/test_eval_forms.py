"""Every form of the trained network is evaluated in the same way: checkpoint, exported models, what runs natively."""

import json
import runpy
import shutil

import pytest
from conftest import ROOT, SMALL, changed, copy_of_a_run

SCRIPTS = ROOT / "workflow" / "scripts"
FORMS = {
    "checkpoint": "results/train/yolov3.ckpt",
    "mindir": "results/export/yolov3_darknet53.mindir",
    "onnx": "results/export/yolov3_darknet53.onnx",
    "lite": "results/native_model/yolov3_darknet53.ms",
}
DATA = ("--manifest", "results/data/manifest.json")


@pytest.fixture
def run(finished, monkeypatch):
    """Runs a script of the workflow in the folder of the small run and returns its exit code."""
    monkeypatch.chdir(finished.folder)
    return lambda name, *words: runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"]([*DATA, *map(str, words)])


def read(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_the_network_has_the_same_accuracy(finished, run, tmp_path, form):
    output = tmp_path / "größe"
    assert run("eval_coco", "--pretrained", FORMS[form], "--output_dir", output) == 0
    metrics, usual = read(output), read(finished.folder / "results" / "eval_coco")
    assert usual["AP50"] > 0
    for name in ("AP", "AP50", "AR100"):
        assert metrics[name] == pytest.approx(usual[name], abs=1e-3)
    assert metrics["images"] == usual["images"] and set(metrics) >= set(usual)
    assert {"acc.log", "detections.json"} < {path.name for path in output.iterdir()}
    assert not list(output.glob(".images*"))
    assert (output / "acc.log").read_text().count("Average") == 12


def test_the_prepared_images_of_a_run_are_taken(finished, run, tmp_path):
    assert run("eval_coco", "--pretrained", FORMS["lite"], "--output_dir", tmp_path, "--bins", "results/bins") == 0
    assert read(tmp_path)["AP"] == read(finished.folder / "results" / "infer_310")["AP"]


def test_a_model_that_includes_the_decoder(finished, run, tmp_path):
    words = ("--ckpt_file", FORMS["checkpoint"], "--keep_detect", "true", "--file_format", "ONNX")
    assert run("export", *words, "--output_dir", tmp_path, "--testing_shape", 64, "--export_batch_size", 2) == 0
    model = tmp_path / "yolov3_darknet53.onnx"
    assert run("eval_coco", "--pretrained", model, "--output_dir", tmp_path / "out") == 0
    usual = read(finished.folder / "results" / "eval_coco")
    assert read(tmp_path / "out")["AP"] == pytest.approx(usual["AP"], abs=1e-3)


def test_what_cannot_be_evaluated_is_one_sentence(finished, run, tmp_path, capfd):
    onnx = finished.folder / FORMS["onnx"]
    alone, other = tmp_path / "alone.onnx", tmp_path / "other.onnx"
    shutil.copy(onnx, alone)
    shutil.copy(onnx, other)
    description = json.loads(onnx.with_name(f"{onnx.name}.json").read_text())
    names = [f"other {name}" for name in description["class_names"]]
    other.with_name("other.onnx.json").write_text(json.dumps({**description, "class_names": names}))
    for model, more, said in (
        (alone, (), "alone.onnx.json"),
        (other, (), "has classes other"),
        (onnx, ("--testing_shape", 96), "was exported for 64 x 64 pixels"),
        (FORMS["lite"], ("--program", "none"), "build_native310"),
        (tmp_path / "model.pt", (), "unsupported format"),
    ):
        assert run("eval_coco", "--pretrained", model, "--output_dir", tmp_path / "out", *more) == 1
        message = capfd.readouterr().err
        assert said in message and "Traceback" not in message


def test_the_report_shows_the_exported_models(finished, tmp_path):
    copy = copy_of_a_run(finished, tmp_path)
    copy.write_config(changed(SMALL, {"report.evaluate_exports": True}))
    assert copy.wanted_rules() == {"eval_export", "report"}
    copy.snakemake("report")
    page = (copy.folder / "results" / "report" / "report.html").read_text(encoding="utf-8")
    section = page.partition("Exported models")[2].partition("</table>")[0]
    assert ">MINDIR<" in section and ">ONNX<" in section
    assert section.count("0.0000") == 2
