"""A small data set, a network with real batch statistics, and stand-ins for vendors' programs, for tests of exports."""

import importlib.util
import sys
from pathlib import Path
from unittest import mock

import mindspore
import numpy as np
from small_coco import write_small_coco

from yolov3.data.checks import CheckSettings, check_dataset
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.weights.checkpoint import save_checkpoint

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
SIZE = 64
ANCHORS = tuple((float(side), float(side)) for side in (4, 6, 8, 12, 16, 20, 28, 36, 48))
SETTINGS = NetworkSettings((8,) * 5, (1,) * 5, ANCHORS, ("a", "b"), testing_shape=SIZE, letterbox=False)


def small_network(settings=SETTINGS, seed=0):
    """A network in inference mode whose batch normalisation is not the identity it starts as."""
    rng = np.random.default_rng(seed)
    network = YOLOv3(settings)
    for name, parameter in network.parameters_and_names():
        low_high = {"gamma": (0.5, 1.5), "moving_variance": (0.3, 2), "beta": (-1, 1), "moving_mean": (-0.5, 0.5)}
        span = low_high.get(name.rsplit(".", 1)[-1])
        if span is None:
            span = (-1, 1) if name.endswith("bias") else (-0.4, 0.4)
        parameter.set_data(type(parameter)(rng.uniform(*span, parameter.shape).astype(np.float32), name=name))
    network.set_train(False)
    return network


def write_samples(folder: Path, images: int = 4) -> tuple[Path, Path]:
    """Write a data set and a checkpoint under `folder`; return (manifest, checkpoint)."""
    train = write_small_coco(folder / "train", images=images, seed=1)
    val = write_small_coco(folder / "val", images=images, seed=2)
    manifest = folder / "manifest.json"
    check_dataset("custom", {"train": train, "val": val}, CheckSettings("decode", False)).write(manifest)
    checkpoint = folder / "yolov3.ckpt"
    save_checkpoint(checkpoint, small_network(), SETTINGS)
    return manifest, checkpoint


def run_script(name: str, *words) -> int:
    """Run a stage's program in this process, in which MindSpore has been started; return its exit code."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # A process can start the runtime once only, before its first computation.
    with mock.patch(
        "yolov3.distributed.worker.start_runtime", lambda *_: mindspore.set_context(mode=mindspore.GRAPH_MODE)
    ):
        spec.loader.exec_module(module)
        return module.main([str(word) for word in words])


def write_program(path: Path, code: str) -> str:
    """Write an executable Python program and return its path."""
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom pathlib import Path\n{code}", encoding="utf-8")
    path.chmod(0o755)
    return str(path)
