"""The package for a target host runs where neither this project nor Python is; engines are chosen by a trial."""

import json
import os
import shutil
import subprocess
import tarfile

import pytest
from conftest import SMALL, changed, copy_of_a_run

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def packed(finished, tmp_path_factory):
    """A run in which trials have chosen the engines, with its package."""
    copy = copy_of_a_run(finished, tmp_path_factory.mktemp("gepackt"))
    changes = {"infer.engine": "auto", "quantize.quant_backend": "auto", "eval.nms_thresh": 0.6}
    copy.write_config(changed(SMALL, changes))
    copy.snakemake("package", "report")
    return copy


def metrics_of(project, stage):
    return json.loads((project.folder / "results" / stage / "metrics.json").read_text())


@pytest.mark.parametrize("stage", ["infer_310", "quant_infer_310"])
def test_the_fastest_engine_is_taken(packed, stage):
    native = metrics_of(packed, stage)["native"]
    trial = native["trial_ms"]
    assert set(trial) == {"lite", "openvino"}
    assert native["engine"] == min(trial, key=trial.get)
    suffix = {"lite": ".ms", "openvino": ".onnx"}[native["engine"]]
    assert native["model_file"].endswith(suffix)


def test_the_report_tells_the_trial_and_the_search(packed):
    page = (packed.folder / "results" / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("the fastest of lite") == 2
    assert "Search for the int8 model" in page


def test_the_package_runs_without_the_project(packed, tmp_path):
    results = packed.folder / "results"
    archive = results / "package" / "yolov3_darknet53.tar.gz"
    with tarfile.open(archive) as stream:
        stream.extractall(tmp_path / "ziel", filter="data")
    folder = tmp_path / "ziel" / "yolov3_darknet53"
    picture = sorted(packed.folder.glob("dataset/shapes/val/*.jpg"))[0]
    shutil.copy(picture, tmp_path / "ziel" / "picture 7.jpg")
    expected = {
        name: metrics_of(packed, stage) for name, stage in (("float", "infer_310"), ("int8", "quant_infer_310"))
    }
    scores = metrics_of(packed, "eval_coco")["analysis"]
    # As if it were another host: the program's own libraries are no longer where it was built.
    away = packed.folder.with_name("away")
    packed.folder.rename(away)
    try:
        environment = {"PATH": os.defpath}
        subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True, env=environment)
        for name in ("float", "int8"):
            output = tmp_path / "gefunden" / name
            words = [folder / "run.sh", name, tmp_path / "ziel", output, "--score_threshold", "0.001"]
            done = subprocess.run(words, cwd="/", env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            found = json.loads((output / "detections.json").read_text())
            assert found and {entry["image_id"] for entry in found} == {7}
            assert json.loads((output / "benchmark.json").read_text())["engine"] == expected[name]["native"]["engine"]
    finally:
        away.rename(packed.folder)
        for place in ("bin", "lib"):
            shutil.rmtree(folder / place)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for metrics in expected.values():
        assert f"| {metrics['AP']:.4f} | {metrics['AP50']:.4f} |" in readme
    description = json.loads(next((folder / "models").glob("float.*.json")).read_text())
    points = scores["class_thresholds"]
    overall = scores["threshold"]["score"] if scores["threshold"] else 0.3
    assert description["score_thresholds"] == [
        points[name]["score"] if points[name] else overall for name in description["class_names"]
    ]
    assert {"LICENSE", "NOTICES"} <= {path.name for path in folder.rglob("*")}
    assert (folder / "native310" / "CMakeLists.txt").is_file()


def test_the_script_tells_how_it_is_used(packed):
    script = packed.folder / "results" / "package" / "yolov3_darknet53" / "run.sh"
    assert "--nms_threshold 0.6 " in script.read_text(encoding="utf-8")
    for words, said in (([], "usage: "), (["double", "a", "b"], "there is no model double: choose float or int8")):
        done = subprocess.run([script, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and said in done.stderr
