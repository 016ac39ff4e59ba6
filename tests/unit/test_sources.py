from pathlib import Path

from yolov3.config.sources import python_sources

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


def names(script, without=()):
    return {path.stem for path in python_sources(SCRIPTS / f"{script}.py", without)}


def test_training_needs_the_loss_and_evaluation_does_not():
    assert {"loop", "loss", "augment", "boxes", "__init__"} <= names("train")
    assert "loss" not in names("eval_coco")
    assert {"postprocess", "nms", "coco_metrics"} <= names("eval_coco")


def test_a_module_left_out_takes_along_what_only_it_imports():
    left_out = names("train", ("yolov3.evaluation.validation", "yolov3.evaluation.evaluate"))
    assert "postprocess" in names("train")
    assert not {"postprocess", "nms", "coco_metrics", "validation"} & left_out
    assert "loss" in left_out


def test_all_files_exist():
    for script in SCRIPTS.glob("*.py"):
        assert all(path.is_file() for path in python_sources(script))
