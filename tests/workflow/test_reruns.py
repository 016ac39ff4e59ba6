"""What runs again after a change: exactly the stages that it concerns."""

import os
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT, SMALL, Project, changed, copy_of_a_run, copy_of_the_project, edited

from yolov3.config.sources import module_digests

REPORT = {"report"}
PREVIEW = {"preview_batches"} | REPORT
DATA_PAGE = {"data_report"} | REPORT
INFER = {"infer_310", "quant_infer_310"} | REPORT
QUANT = {"post_quant", "quant_infer_310"} | REPORT
BINS = {"preprocess_bins"} | INFER
EVAL = {"eval_coco"} | REPORT
MODELS = {"export", "convert_model", "post_quant"} | INFER
TRAIN = {"train"} | EVAL | MODELS
CONVERT = {"convert_backbone"} | TRAIN
FETCH = {"fetch_backbone"} | CONVERT
VAL_DATA = {"download_val", "download"} | DATA_PAGE | EVAL | BINS
DATA = {"download_train", "calibration_bins"} | PREVIEW | TRAIN | VAL_DATA
INPUT = {"calibration_bins"} | DATA_PAGE | EVAL | MODELS | BINS
BUILD = {"mslite_runtime", "build_native310", "build_converter"}

SETTINGS = [
    ({"train.lr": 0.002}, TRAIN),
    ({"train.max_epoch": 3}, TRAIN),
    ({"train.optimizer": "adamw"}, TRAIN),
    ({"train.label_smooth": 1}, TRAIN),
    ({"train.flip": 0}, PREVIEW | TRAIN),
    ({"train.mosaic": 0.5, "train.mixup": 0.5}, PREVIEW | TRAIN),
    ({"train.plain_epochs": 1}, TRAIN),
    ({"train.ema_epochs": 2}, TRAIN),
    ({"train.accumulation": 2}, PREVIEW | TRAIN),
    ({"train.amp_level": "O2"}, TRAIN),
    ({"train.cpu_kernels": "onednn"}, {"build_training_kernels"} | TRAIN),
    ({"train.assignment_iou": 0.3}, PREVIEW | TRAIN),
    ({"eval.multi_label": True}, EVAL | INFER),
    ({"train.eval_interval": 1}, TRAIN),
    ({"train.is_distributed": 1, "train.group_size": 2}, PREVIEW | TRAIN),
    ({"train.resize_rate": 5}, PREVIEW | TRAIN),
    ({"eval.nms_thresh": 0.4}, EVAL | INFER),
    ({"eval.eval_ignore_threshold": 0.01}, EVAL | INFER),
    ({"eval.testing_shape": 96}, INPUT),
    ({"eval.letterbox": True}, INPUT),
    ({"eval.eval_batch_size": 2}, EVAL),
    ({"export.file_format": "ONNX"}, MODELS),
    ({"bins.bins_dtype": "uint8"}, BINS),
    ({"calibration.calibration_images": 3}, {"calibration_bins"} | QUANT),
    ({"quantize.quant_method": "KL"}, QUANT),
    ({"quantize.skip_layers": "backbone.root"}, QUANT),
    ({"infer.warmup": 1}, INFER),
    ({"infer.raw_maps": False}, INFER),
    ({"infer.input": "jpeg"}, INFER),
    ({"infer.engine": "openvino", "infer.precision": "bfloat16"}, {"infer_310"} | REPORT),
    ({"report.gallery_images": 1}, REPORT),
    ({"report.title": "Other"}, REPORT),
    ({"network.anchor_scales": [[9, 9], *SMALL["network"]["anchor_scales"][1:]]}, DATA_PAGE | PREVIEW | TRAIN),
    ({"network.anchor_scales": "auto"}, {"cluster_anchors"} | DATA_PAGE | PREVIEW | TRAIN),
    ({"train.max_box": 40}, DATA_PAGE | PREVIEW | TRAIN),
    # Weights that are no checkpoint are Darknet's, which are evaluated on letterboxed images.
    ({"weights.pretrained": __file__}, {"convert_weights"} | INPUT),
    ({"weights.pretrained": __file__, "eval.letterbox": False}, {"convert_weights"} | EVAL | MODELS),
    ({"network.normalisation": "unit"}, {"calibration_bins"} | TRAIN | BINS),
    ({"network.backbone_layers": [1, 1, 2, 1, 1]}, FETCH),
    ({"backbone.source": "none"}, TRAIN),
    ({"backbone.source": __file__}, CONVERT),
    ({"backbone.sha256": "0" * 64}, FETCH),
    ({"train.resume_yolov3": __file__}, TRAIN),
    ({"seed": 4}, PREVIEW | FETCH),
    ({"shapes.train_images": 25}, DATA),
    ({"shapes.val_images": 7}, VAL_DATA),
    ({"shapes.data_seed": 2}, DATA),
    ({"data.check_images": "header"}, DATA),
    ({"report.evaluate_exports": True}, {"eval_export"} | REPORT),
    ({"quantize.max_ap_drop": 0.01}, QUANT),
    # Shown, but used by back end amct and engine acl only.
    ({"quantize.soc_version": "Ascend310P3"}, REPORT),
    ({"rank_table.merged_table": "hccl.json"}, set()),
    ({"rank_table.server_ip": "192.0.2.1"}, set()),
    ({"coco2014.mirror": "https://example.org/"}, set()),
    # How a stage runs, not what it computes.
    (
        {
            "preflight": False,
            "train.log_interval": 2,
            "train.ckpt_interval": 5,
            "train.loader_workers": 1,
            "train.is_save_on_master": 0,
            "train.need_profiler": 1,
            "train.tensorboard": 1,
            "train.master_port": 8200,
            "train.cluster_time_out": 100,
            "quantize.amct_python": "python3.9",
            "infer.device_id": 1,
        },
        set(),
    ),
    # What the training's size and the defaults give.
    ({"eval.testing_shape": None, "eval.letterbox": False}, set()),
    # A key at its default says no more than none.
    ({"train.momentum": 0.9, "eval.max_detections": 0, "bins.bins_layout": "NCHW"}, set()),
]


def name_of(value):
    return ",".join(f"{k}={v}" for k, v in value.items())[:60] if isinstance(value, dict) else ""


@pytest.mark.parametrize(("changes", "rules"), SETTINGS, ids=name_of)
def test_a_changed_value(finished, changes, rules):
    finished.write_config(changed(SMALL, changes), "changed.yaml")
    assert finished.wanted_rules(config="changed.yaml") == rules


@pytest.fixture
def workshop(finished, tmp_path):
    """The finished run with a copy of the sources that may be edited."""
    return Project(copy_of_the_project(tmp_path / "sources"), finished.folder)


def test_the_same_sources_elsewhere_make_nothing_again(workshop):
    assert workshop.wanted_rules() == set()


CODE = [
    ("training/loss.py", "IGNORE_IOU = 0.7", "IGNORE_IOU = 0.6", TRAIN),
    ("training/augment.py", "PLACEMENT_TRIES = 20", "PLACEMENT_TRIES = 21", DATA_PAGE | PREVIEW | TRAIN),
    ("distributed/msrun.py", "POLL_SECONDS = 0.2", "POLL_SECONDS = 0.3", TRAIN),
    ("evaluation/nms.py", "import cv2\n", "import cv2\n\nLIMIT = 1\n", EVAL | QUANT),
    (
        "evaluation/coco_metrics.py",
        "MAX_DETECTIONS = 0, 5, 0, -1",
        "MAX_DETECTIONS = 0, 4, 0, -1",
        EVAL | INFER | QUANT,
    ),
    ("evaluation/analysis.py", "MAX_WORST = 50", "MAX_WORST = 40", EVAL | INFER),
    ("export/folding.py", "import numpy as np", "import json\nimport numpy as np", MODELS),
    ("quantization/mslite.py", "import tempfile", "import json\nimport tempfile", QUANT),
    ("report/plots.py", "SMOOTHING_PARTS = 25", "SMOOTHING_PARTS = 26", REPORT),
    ("report/svg.py", "import io", "import io\nimport json", DATA_PAGE),
    ("report/data_plots.py", "MAX_POINTS = 2000", "MAX_POINTS = 1000", DATA_PAGE),
    ("report/live.py", "MAX_POINTS = 500", "MAX_POINTS = 400", set()),
    ("report/tensorboard.py", "FLUSH_SECONDS = 5", "FLUSH_SECONDS = 6", set()),
    ("drawing/batches.py", "JPEG_QUALITY = 85", "JPEG_QUALITY = 86", PREVIEW),
    ("training/watching.py", "Watcher = Callable", "SEEN = 1\nWatcher = Callable", TRAIN),
    ("weights/darknet_file.py", "import numpy as np", "import json\nimport numpy as np", FETCH),
    ("data/shapes/scene.py", "import numpy as np", "import json\nimport numpy as np", DATA),
    ("distributed/rank_table.py", "import re\n", "import csv\nimport re\n", TRAIN),
    ("preflight/checks.py", "import shutil", "import shutil\nimport json", set()),
    ("training/anchors.py", "MAX_ROUNDS = 100", "MAX_ROUNDS = 101", DATA_PAGE),
    ("files.py", "import hashlib", "import csv\nimport hashlib", {"fetch_backbone", "convert_backbone"} | DATA | BUILD),
]
ADDED = "namespace native310 {\nint added = 0;"
OTHER_CODE = [
    ("workflow/scripts/eval_coco.py", "import sys", "import sys\nimport json", EVAL),
    ("workflow/lib/yolov3/report/report.html.j2", "<title>", "<title>Page: ", REPORT),
    ("workflow/lib/yolov3/report/style.css.j2", "#f4f5f7", "#f4f5f8", DATA_PAGE),
    ("workflow/lib/yolov3/report/live.html.j2", "<title>", "<title>Page: ", set()),
    (
        "native310/src/nms.cc",
        "namespace native310 {",
        ADDED,
        {"build_native310"} | INFER,
    ),
    (
        "native310/tools/mslite_convert.cc",
        "#include <string>",
        "#include <string>\n#include <cmath>",
        {"build_converter", "convert_model"} | QUANT | INFER,
    ),
]
CODE = [(f"workflow/lib/yolov3/{file}", *rest) for file, *rest in CODE] + OTHER_CODE


@pytest.mark.parametrize(("file", "old", "new", "rules"), CODE, ids=[f"{case[0]}:{case[1]}" for case in CODE])
def test_changed_code(workshop, file, old, new, rules):
    edited(workshop.root / file, old, new)
    assert workshop.wanted_rules() == rules


def test_comments_docstrings_and_formatting_do_nothing(workshop):
    for path in [*workshop.root.rglob("workflow/**/*.py"), *workshop.root.rglob("workflow/rules/*.smk")]:
        text = path.read_text(encoding="utf-8")
        # Docstrings of modules, functions and classes, and one more blank line everywhere.
        text = re.sub(r'^(\s*)"""(.)', r'\1"""Changed. \2', text, flags=re.MULTILINE) if path.suffix == ".py" else text
        path.write_text(f"{text}\n\n# A remark.\n", encoding="utf-8")
    for path in [*workshop.root.rglob("native310/**/*.cc"), *workshop.root.rglob("native310/**/*.h")]:
        path.write_text("// A remark.\n/* Another. */\n" + path.read_text(encoding="utf-8").replace("\n\n", "\n\n\n"))
    cmake = workshop.root / "native310" / "CMakeLists.txt"
    cmake.write_text("# A remark.\n" + cmake.read_text(encoding="utf-8"), encoding="utf-8")
    template = workshop.root / "workflow/lib/yolov3/report/report.html.j2"
    template.write_text(template.read_text(encoding="utf-8") + "{# A remark. #}\n", encoding="utf-8")
    assert workshop.wanted_rules() == set()


def test_schema(workshop):
    """A new key changes nothing until it is set; a changed default changes what it concerns."""
    schema = workshop.root / "workflow" / "schemas" / "config.schema.yaml"
    new = yaml.safe_load(schema.read_text(encoding="utf-8"))
    properties = new["properties"]
    for section in ("train", "eval", "quantize", "infer", "network", "data", "shapes", "report"):
        properties[section]["properties"]["brand_new"] = {"description": "New.", "type": "integer", "default": 3}
    properties["train"]["properties"]["log_interval"]["default"] = 50
    schema.write_text(yaml.safe_dump(new), encoding="utf-8")
    assert workshop.wanted_rules() == set()
    workshop.write_config(changed(SMALL, {"quantize.brand_new": 4}), "new.yaml")
    assert workshop.wanted_rules(config="new.yaml") == REPORT
    workshop.write_config(changed(SMALL, {"train.brand_new": 4}), "new.yaml")
    assert workshop.wanted_rules(config="new.yaml") == TRAIN
    properties["eval"]["properties"]["max_detections"]["default"] = 5
    schema.write_text(yaml.safe_dump(new), encoding="utf-8")
    assert workshop.wanted_rules() == EVAL | INFER


def test_every_key_says_how_it_counts():
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    for name, section in schema["properties"].items():
        for key, rule in section.get("properties", {name: section}).items():
            counts = rule.get("tracked") is not False
            assert ("baseline" in rule) == counts, f"{name}.{key}: give baseline (its first default) or tracked: false"


def test_touched_files_do_nothing(finished):
    for place in (finished.root, finished.folder):
        for path in sorted(place.rglob("*")):
            if path.is_file() and ".snakemake" not in path.parts:
                os.utime(path)
    assert finished.wanted_rules() == set()


def test_another_commit_and_back(workshop):
    def git(*words):
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        subprocess.run(["git", *identity, *words], cwd=workshop.root, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch", "main")
    git("add", ".")
    git("commit", "--quiet", "-m", "newer")
    git("checkout", "--quiet", "-b", "older")
    edited(workshop.root / "workflow/lib/yolov3/training/loss.py", "IGNORE_IOU = 0.7", "IGNORE_IOU = 0.5")
    edited(workshop.root / "native310/src/nms.cc", "namespace native310 {", ADDED)
    git("commit", "--quiet", "--all", "-m", "older")
    assert workshop.wanted_rules() == TRAIN | {"build_native310"}
    git("checkout", "--quiet", "main")
    assert workshop.wanted_rules() == set()


def test_a_moved_data_set_and_project(finished, tmp_path):
    """Nothing is made again, and what later has to run finds everything."""
    root = copy_of_the_project(tmp_path / "mein Projekt")
    folder = tmp_path / "moved run"
    shutil.copytree(finished.folder, folder, symlinks=True)
    (folder / "dataset").rename(tmp_path / "images")
    project = Project(root, folder)
    config = changed(SMALL, {"data.data_dir": str(tmp_path / "images")})
    project.write_config(config)
    assert project.wanted_rules() == set()
    project.write_config(changed(config, {"eval.nms_thresh": 0.4, "bins.bins_dtype": "uint8"}))
    assert project.wanted_rules() == EVAL | BINS
    # The first run's own folder is out of the way: nothing may be taken from there.
    hidden = finished.folder.with_name("hidden")
    finished.folder.rename(hidden)
    try:
        project.snakemake("report")
    finally:
        hidden.rename(finished.folder)
    assert project.wanted_rules() == set()


def test_deleted_bulk_results_are_noticed_when_they_are_needed(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder, symlinks=True)
    project = Project(finished.root, folder)
    for name in ("dataset", "results/bins/images", "results/infer_310/result_Files"):
        shutil.rmtree(folder / name)
    # Raw maps are a result, so they are made again, and what they are made of.
    assert project.wanted_rules("infer_310") == {"infer_310", "preprocess_bins", "download_val"}
    project.write_config(changed(SMALL, {"train.lr": 0.002}))
    assert {"download_train", "train"} <= project.wanted_rules("train")


def test_own_data_count_by_content_and_split(finished, tmp_path):
    custom = {}
    for split in ("train", "val"):
        shutil.copytree(finished.folder / "dataset" / "shapes" / split, tmp_path / split)
        shutil.copy(finished.folder / "dataset" / "shapes" / "annotations" / f"{split}.json", tmp_path)
        custom |= {f"{split}_image_dir": str(tmp_path / split), f"{split}_annotations": str(tmp_path / f"{split}.json")}
    project = copy_of_a_run(finished, tmp_path)
    project.write_config({**SMALL, "data": {"provider": "custom"}, "custom": custom})
    project.snakemake("download")
    # The results of equal images stand for those of these.
    project.snakemake("eval_coco", "--touch")
    assert project.wanted_rules("eval_coco") == set()
    (tmp_path / "val.json").rename(tmp_path / "renamed.json")
    custom["val_annotations"] = "../renamed.json"
    project.write_config({**SMALL, "data": {"provider": "custom"}, "custom": custom})
    assert project.wanted_rules("eval_coco") == set()
    # An image that is repaired or replaced after the check.
    image = min((tmp_path / "val").glob("*.jpg"))
    content = image.read_bytes()
    image.write_bytes(content + b"more")
    assert project.wanted_rules("eval_coco") == {"download_val", "eval_coco"}
    image.write_bytes(content)
    edited(tmp_path / "renamed.json", '"iscrowd": 0', '"iscrowd": 1')
    assert project.wanted_rules("eval_coco") == {"download_val", "eval_coco"}
    edited(tmp_path / "train.json", '"iscrowd": 0', '"iscrowd": 1')
    assert project.wanted_rules("eval_coco") >= {"download_train", "train", "eval_coco"}


# Modules that a stage imports in a function which it does not call with this configuration.
NOT_LOADED = {
    "build_native310": set(),
    "download": {"yolov3.data.near_duplicates"},
}
VALIDATION = "yolov3.evaluation"
# What a training loads to be looked at, after it has taken its identity (test_training.py).
SHOWING = ("report/live.py", "drawing/batches.py")


def test_what_a_stage_loads_is_what_is_tracked(finished):
    records = list(finished.folder.glob("*-*.txt"))
    scripts = {path.stem.rpartition("-")[0] for path in records} & {
        path.stem for path in (finished.root / "workflow" / "scripts").glob("*.py")
    }
    assert {"train", "eval_coco", "export", "post_quant", "infer_310", "report", "download"} <= scripts
    for script in sorted(scripts):
        loaded = {
            name for path in records if path.stem.rpartition("-")[0] == script for name in path.read_text().split("\n")
        }
        without = [] if script == "download" else ["yolov3.data.checks"]
        without += ["yolov3.native", "yolov3.export.runners"] if script == "eval_coco" else []
        without += [VALIDATION, "yolov3.report", "yolov3.drawing"] if script == "train" else []
        tracked = set(module_digests(ROOT / "workflow" / "scripts" / f"{script}.py", without)) - {""}
        untracked = loaded - tracked
        if script == "train":
            files = [ROOT / "workflow" / "lib" / "yolov3" / file for file in SHOWING]
            shown = {"yolov3.report.live", "yolov3.drawing.batches"}.union(*map(module_digests, files))
            assert {"yolov3.report.live", "yolov3.drawing.batches"} <= untracked <= shown
        else:
            assert not untracked, f"{script} loads what is not tracked: {untracked}"
        assert tracked - loaded <= NOT_LOADED.get(script, set()), f"{script} tracks what it does not load"


def test_a_format_that_is_needed_but_not_exported_is_told(finished):
    finished.write_config(changed(SMALL, {"export.file_format": "MINDIR"}), "mindir.yaml")
    code, printed = finished.dry_run(config="mindir.yaml")
    assert code == 1 and "export.file_format is MINDIR but quantize.quant_backend mslite needs ONNX: add it" in printed
    assert "infer_310" not in finished.wanted_rules("eval_coco", config="mindir.yaml")


def test_cann_is_asked_for_where_it_is_used(finished, monkeypatch):
    amct = changed(SMALL, {"quantize.quant_backend": "amct", "preflight": False})
    finished.write_config(amct, "amct.yaml")
    before = finished.wanted_rules(config="amct.yaml")
    monkeypatch.setenv("ASCEND_HOME_PATH", "/usr/local/Ascend/latest")
    assert finished.wanted_rules() == set()
    assert finished.wanted_rules(config="amct.yaml") == before | {"build_native310"} | INFER


def test_another_copy_of_mindspore_lite(finished, monkeypatch):
    monkeypatch.setenv("MSLITE_HOME", "/opt/another")
    rules = finished.wanted_rules()
    assert {"mslite_runtime", "build_native310", "build_converter", "infer_310", "quant_infer_310"} <= rules
    assert not rules & {"download_train", "download_val", "train", "eval_coco", "export", "preprocess_bins"}
