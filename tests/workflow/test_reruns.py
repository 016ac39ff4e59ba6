"""What runs again after a change: exactly the stages that it concerns."""

import os

import pytest
from conftest import SMALL, changed

REPORT = {"report"}
INFER = {"infer_310", "quant_infer_310"} | REPORT
QUANT = {"post_quant", "quant_infer_310"} | REPORT
BINS = {"preprocess_bins"} | INFER
EVAL = {"eval_coco"} | REPORT
MODELS = {"export", "convert_model", "post_quant"} | INFER
TRAIN = {"train"} | EVAL | MODELS
CONVERT = {"convert_backbone"} | TRAIN
FETCH = {"fetch_backbone"} | CONVERT
DATA = {"download", "calibration_bins"} | TRAIN | BINS
INPUT = {"calibration_bins"} | EVAL | MODELS | BINS
BUILD = {"mslite_runtime", "build_native310", "build_converter"}


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({"train.lr": 0.002}, TRAIN),
        ({"train.max_epoch": 3}, TRAIN),
        ({"train.optimizer": "adamw"}, TRAIN),
        ({"train.label_smooth": 1}, TRAIN),
        ({"train.flip": 0}, TRAIN),
        ({"train.eval_interval": 1}, TRAIN),
        ({"train.is_distributed": 1, "train.group_size": 2}, {"rank_table"} | TRAIN),
        ({"eval.nms_thresh": 0.4}, EVAL | INFER),
        ({"eval.eval_ignore_threshold": 0.01}, EVAL | INFER),
        ({"eval.testing_shape": 96}, INPUT),
        ({"eval.letterbox": True}, INPUT),
        ({"eval.eval_batch_size": 2}, EVAL),
        ({"export.file_format": "ONNX"}, MODELS),
        ({"bins.bins_dtype": "uint8"}, BINS),
        ({"calibration.calibration_images": 3}, {"calibration_bins"} | QUANT),
        ({"quantize.quant_method": "KL"}, QUANT),
        ({"quantize.skip_layers": "branch_*.head"}, QUANT),
        ({"infer.warmup": 1}, INFER),
        ({"infer.raw_maps": False}, INFER),
        ({"infer.engine": "openvino", "infer.precision": "bfloat16"}, {"infer_310"} | REPORT),
        ({"report.gallery_images": 1}, REPORT),
        ({"report.title": "Other"}, REPORT),
        ({"network.anchor_scales": [[9, 9], *SMALL["network"]["anchor_scales"][1:]]}, TRAIN),
        ({"network.anchor_scales": "auto"}, {"cluster_anchors"} | TRAIN),
        ({"weights.pretrained": __file__}, {"convert_weights"} | EVAL | MODELS),
        ({"network.normalisation": "unit"}, {"calibration_bins"} | TRAIN | BINS),
        ({"network.backbone_layers": [1, 1, 2, 1, 1]}, FETCH),
        ({"backbone.source": "none"}, TRAIN),
        ({"backbone.sha256": "0" * 64}, FETCH),
        ({"seed": 4}, FETCH),
        ({"shapes.train_images": 25}, DATA),
        ({"data.check_images": "header"}, DATA),
        # One host cannot ask the others for their devices.
        ({"train.is_distributed": 1, "train.group_size": 2, "train.hosts": "192.0.2.1,192.0.2.2"}, TRAIN),
        ({"train.is_distributed": 1, "train.group_size": 2, "train.host_launcher": "slurm"}, TRAIN),
        # Shown, but used by back end amct and engine acl only.
        ({"quantize.soc_version": "Ascend310P3"}, REPORT),
        ({"rank_table.merged_table": "hccl.json"}, set()),
        ({"rank_table.server_ip": "192.0.2.1"}, set()),
        ({"coco2014.mirror": "https://example.org/"}, set()),
        ({"preflight": False}, set()),
    ],
    ids=lambda value: ",".join(f"{k}={v}" for k, v in value.items())[:60] if isinstance(value, dict) else "",
)
def test_a_changed_value(finished, changes, rules):
    finished.write_config(changed(SMALL, changes), "changed.yaml")
    assert finished.wanted_rules(config="changed.yaml") == rules


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("workflow/lib/yolov3/loss.py", TRAIN),
        ("workflow/lib/yolov3/augment.py", TRAIN),
        ("workflow/lib/yolov3/schedule.py", TRAIN),
        ("workflow/lib/yolov3/launch.py", TRAIN),
        ("workflow/lib/yolov3/postprocess.py", EVAL),
        ("workflow/lib/yolov3/nms.py", EVAL),
        ("workflow/lib/yolov3/coco_eval.py", EVAL | INFER),
        ("workflow/lib/yolov3/export.py", MODELS),
        ("workflow/lib/yolov3/quantize_mslite.py", QUANT),
        ("native310/src/postprocess.cc", {"build_native310"} | INFER),
        ("native310/tools/mslite_convert.cc", {"build_converter", "convert_model"} | QUANT | INFER),
        ("workflow/scripts/eval_coco.py", EVAL),
        ("workflow/lib/yolov3/report_page.py", REPORT),
        ("workflow/report/report.html.j2", REPORT),
        ("workflow/lib/yolov3/darknet_weights.py", FETCH),
        ("workflow/lib/yolov3/shapes_scene.py", DATA),
        ("workflow/lib/yolov3/rank_table.py", set()),
        ("workflow/lib/yolov3/preflight.py", set()),
        ("workflow/lib/yolov3/anchors.py", set()),
        ("workflow/lib/yolov3/files.py", {"fetch_backbone", "convert_backbone"} | DATA | BUILD),
    ],
)
def test_an_edited_source(finished, file, rules):
    path = finished.root / file
    before = path.read_text(encoding="utf-8")
    # Restored with its old time: Snakemake would else see a change in the tests that follow.
    times = path.stat()
    try:
        path.write_text(before + "\n", encoding="utf-8")
        assert finished.wanted_rules() == rules
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_format_that_is_needed_but_not_exported_is_told(finished):
    finished.write_config(changed(SMALL, {"export.file_format": "MINDIR"}), "mindir.yaml")
    printed = finished.snakemake("--dry-run", "report", config="mindir.yaml", check=False)
    assert "export.file_format is MINDIR but infer.engine lite needs ONNX: add it" in printed.stdout + printed.stderr
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
    assert not rules & {"download", "train", "eval_coco", "export", "preprocess_bins"}
