"""What the tests of the native program share: inputs, models for the fake AscendCL, and how a refusal looks."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
MEAN_RGB, STD_RGB = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIZE = (64, 96)
CLASS_NAMES = ("cat", "dog", "owl")
CATEGORY_IDS = (3, 7, 90)
RAW_STRIDES = (8, 16, 32)
# Many tests compare the raw maps.
WITH_RAW_MAPS = ("--raw", "1")
# The peak of a process counts from that of its parent, which is much for the tests and little for this.
PEAK_OF_CHILD = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
PROGRESS_LINE = re.compile(r"\d+ of \d+ images, [\d.]+ images/s, \d+ s left")


@dataclass
class Program:
    """A built program, the environment that it runs in and arguments that it always gets."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    first_arguments: tuple[str, ...] = ()

    def command(self, *arguments: Any) -> list[str]:
        return [str(self.path), *self.first_arguments, *map(str, arguments)]

    def run(self, *arguments: Any, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**self.environment, **environment},
        )

    def run_for_peak_kib(self, *arguments: Any) -> tuple[subprocess.CompletedProcess[str], int]:
        """Run it and return the largest amount of memory that it had, too."""
        measured = Program(Path(sys.executable), self.environment)
        result = measured.run("-S", "-c", PEAK_OF_CHILD, *self.command(*arguments))
        return result, int(result.stdout.splitlines()[-1])


def assert_refused(
    result: subprocess.CompletedProcess[str], output: Path | None, *parts: str, code: int = 1, name: str = "native310"
) -> None:
    """The program said one sentence with all `parts`, ended with `code` and left nothing half-written."""
    lines = [line for line in result.stderr.splitlines() if not PROGRESS_LINE.fullmatch(line)]
    assert result.returncode == code, result
    assert len(lines) == 1 and lines[0].startswith(f"{name}: "), result.stderr
    for part in parts:
        assert part in lines[0]
    if output is not None and output.is_dir():
        names = [path.name for path in output.rglob("*")]
        assert "detections.json" not in names and "benchmark.json" not in names
        assert not [name for name in names if name.startswith(".")]


def assert_ran(result: subprocess.CompletedProcess[str], output: Path) -> list[dict[str, Any]]:
    """The program ended well; returns its detections."""
    assert result.returncode == 0, result.stderr
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]
    assert json.loads((output / "benchmark.json").read_text())["images"] >= 1
    return json.loads((output / "detections.json").read_text())


def write_bins(
    folder: Path,
    images: Sequence[np.ndarray],
    layout: str = "NCHW",
    placements: Sequence[dict[str, Any]] | None = None,
    size: tuple[int, int] = SIZE,
) -> Path:
    """Write images, uint8 or float32 [3, H, W], as a bins folder."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for index, image in enumerate(images):
        name = f"COCO_val2014_{index + 1:012d}"
        (image if layout == "NCHW" else image.transpose(1, 2, 0)).tofile(folder / f"{name}.bin")
        placement = {"width": 640, "height": 480, "offset_xy": [0, 0], "share_xy": [1, 1]}
        placement |= placements[index] if placements else {}
        entries.append({"id": index + 1, "name": name, "file": f"{name}.bin", **placement})
    index_json = {
        "format": 1,
        "input_size": list(size),
        "dtype": str(images[0].dtype),
        "layout": layout,
        "mean_rgb": MEAN_RGB,
        "std_rgb": STD_RGB,
        "images": entries,
    }
    (folder / "index.json").write_text(json.dumps(index_json))
    return folder


def change_json(path: Path, change: Any) -> None:
    """Rewrite a JSON file after `change` was called with its value."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def describe_model(
    model: Path,
    size: tuple[int, int] = SIZE,
    names: Sequence[str] = CLASS_NAMES,
    ids: Sequence[int] = CATEGORY_IDS,
    **more: Any,
) -> Path:
    """Write the description beside a model."""
    description = {"format": 1, "input_size": list(size), "anchors": ANCHORS, "class_names": list(names)}
    description |= {"category_ids": list(ids), "letterbox": False, **more}
    Path(f"{model}.json").write_text(json.dumps(description))
    return model


def random_raw_maps(seed: int, size: tuple[int, int] = SIZE, classes: int = len(CLASS_NAMES)) -> tuple[np.ndarray, ...]:
    """Random float32 raw maps [3 * (5 + C), gh, gw] of strides 8, 16, 32, with many boxes above any threshold."""
    random = np.random.default_rng(seed)
    maps = []
    for stride in RAW_STRIDES:
        shape = (3, 5 + classes, size[0] // stride, size[1] // stride)
        raw = random.normal(0, 2, shape)
        raw[:, 2:4] = random.normal(0, 0.6, raw[:, 2:4].shape)
        maps.append(raw.reshape(-1, *shape[2:]).astype(np.float32))
    return tuple(maps)


def write_fake_model(
    path: Path,
    raw_maps: tuple[np.ndarray, ...],
    batch: int = 1,
    size: tuple[int, int] = SIZE,
    input_type: str = "float32",
    output_type: str = "float32",
    layout: str = "NCHW",
    aipp: str = "",
) -> Path:
    """Write a model that the fake AscendCL runs: raw map + first input value - last input value, as AIPP gives them."""
    header = f"FAKEOM {batch} {size[0]} {size[1]} {raw_maps[0].shape[0]} {input_type} {output_type} {layout}"
    header += f" AIPP {len(aipp)}\n{aipp}" if aipp else "\n"
    path.write_bytes(header.encode() + b"".join(raw.tobytes() for raw in reversed(raw_maps)))
    return describe_model(path, size)


def write_network_model(path: Path, onnx: Path, size: tuple[int, int], channels: int, aipp: str) -> Path:
    """Write a model in which the fake AscendCL runs a real network after AIPP."""
    header = f"FAKEOM 1 {size[0]} {size[1]} {channels} float32 float32 NCHW"
    path.write_text(f"{header} AIPP {len(aipp)} NETWORK {onnx}\n{aipp}")
    return path


def read_raw_maps(output: Path, name: str, like: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Read the raw maps of one image from result_Files, in the shapes of `like`."""
    return tuple(
        np.fromfile(output / "result_Files" / f"{name}_{index}.bin", np.float32).reshape(raw.shape)
        for index, raw in enumerate(like)
    )
