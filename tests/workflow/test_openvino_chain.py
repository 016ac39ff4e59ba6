"""The other way of deployment on a host: OpenVINO, int8 ONNX and JPEG files, over what the first way left behind."""

import json
import shutil

import pytest
from conftest import SMALL, Project, changed

pytestmark = pytest.mark.long

CHANGES = {
    "infer.engine": "openvino",
    "infer.input": "jpeg",
    "infer.precision": "bfloat16",
    "quantize.quant_backend": "qdq",
    "quantize.skip_layers": "branch_*.head",
}


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("openvino") / "run"
    shutil.copytree(finished.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("bins"))
    copy = Project(finished.root, folder)
    copy.write_config(changed(SMALL, CHANGES))
    copy.snakemake("report")
    return copy


@pytest.mark.parametrize(
    ("stage", "suffix"), [("infer_310", "yolov3_darknet53.onnx"), ("quant_infer_310", "int8.onnx")]
)
def test_openvino_ran_the_model(project, stage, suffix):
    timings = json.loads((project.folder / "results" / stage / "metrics.json").read_text())["native"]
    assert (timings["engine"], timings["precision"], timings["images"]) == ("openvino", "bfloat16", 6)
    assert timings["model"].endswith(suffix)


def test_the_image_files_are_read_instead_of_bins(project):
    assert not (project.folder / "results" / "bins").exists()


def test_the_heads_stay_in_float(project):
    summary = json.loads((project.folder / "results" / "quant" / "quant.json").read_text())
    assert summary["layers_kept_float"] == ["branch_8.head", "branch_16.head", "branch_32.head"]


def test_nothing_was_trained_again(finished, project):
    checkpoint = "results/train/yolov3.ckpt"
    assert (project.folder / checkpoint).stat().st_mtime_ns == (finished.folder / checkpoint).stat().st_mtime_ns
