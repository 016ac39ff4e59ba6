"""Compare two versions of the native program where the network costs nothing, as on a fast NPU, alternating.

    python benchmarks/pipeline_speed.py OLD/native310 [--new native310] [--images 200] [--rounds 7]

OLD is a checkout of the version to compare with, such as one by `git worktree add OLD v0.1.0`. Both programs are built
with an engine that returns the same outputs for every image at once, so what is measured is reading, resizing,
normalising, post-processing and writing. Prints the medians of images/s, from the first image to the last result, their
ratio, the time of all CPUs, and whether both versions give the same results. Those go to the temporary folder (TMPDIR):
name one in memory, for raw maps are written faster than most disks take them.
"""

import argparse
import filecmp
import json
import os
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from yolov3.files import read_json
from yolov3.native.build import BuildSettings, build, openvino_cmake_dir

NATIVE_DIR = Path(__file__).resolve().parents[1] / "native310"
SIZE = 416
CLASSES = 80
ANCHORS = ((10, 13), (16, 30), (33, 23), (30, 61), (62, 45), (59, 119), (116, 90), (156, 198), (373, 326))
# Files of about 170 kB, as in COCO.
JPEG_WIDTH, JPEG_HEIGHT, JPEG_QUALITY = 640, 480, 92
NOISE_DEVIATION = 50
# Confidence logits: a few hundred of 10,647 predictions reach the score threshold, as in a trained network.
CONFIDENCE_MEAN, CONFIDENCE_DEVIATION = -11, 2
TARGET_RATIO = 3

ENGINE_SOURCE = r"""
#include <fstream>
#include <memory>
#include <vector>

#include "engine.h"

namespace {

// Returns the raw maps in the model file, whatever the image.
class FreeEngine : public native310::Engine {
 public:
  explicit FreeEngine(const std::string& path) {
    spec_.size = {@SIZE@, @SIZE@};
    std::ifstream stream(path, std::ios::binary);
    for (const int stride : native310::kStrides) {
      const std::int64_t cells = @SIZE@ / stride;
      maps_.emplace_back(@CHANNELS@ * cells * cells);
      stream.read(reinterpret_cast<char*>(maps_.back().data()), maps_.back().size() * sizeof(float));
      views_.push_back({{1, @CHANNELS@, cells, cells}, native310::Layout::kNchw, maps_.back().data()});
    }
  }

  const native310::InputSpec& input() const override { return spec_; }
  std::vector<native310::OutputView> Run(const void*) override { return views_; }

 private:
  native310::InputSpec spec_;
  std::vector<std::vector<float>> maps_;
  std::vector<native310::OutputView> views_;
};

}  // namespace

native310::Engine* CreateNative310Engine(const native310::EngineOptions& options) {
  return new FreeEngine(options.model_path);
}
"""


@dataclass(frozen=True)
class Case:
    """What a run reads, and its further options."""

    input: str
    options: str

    def __str__(self) -> str:
        return f"{self.input} {self.options}"


CASES = tuple(Case(name, options) for name in ("JPEG", "bins") for options in ("", "--raw 0", "--raw 1"))


def build_program(source: Path, folder: Path) -> Path:
    """Build the program with the engine in place of MindSpore Lite's."""
    build(BuildSettings(source, folder, "native310", "", openvino_cmake_dir(), len(os.sched_getaffinity(0))))
    engine = ENGINE_SOURCE.replace("@SIZE@", str(SIZE)).replace("@CHANNELS@", str(3 * (5 + CLASSES)))
    (folder / "free_engine.cc").write_text(engine, encoding="utf-8")
    words = ["c++", "-std=c++17", "-O2", "-shared", "-fPIC", "-I", source / "src", folder / "free_engine.cc"]
    subprocess.run([*words, "-o", folder / "libnative310_engine_lite.so"], check=True)
    return folder / "native310"


def write_model(path: Path) -> None:
    random = np.random.default_rng(0)
    maps = []
    for cells in (SIZE // 8, SIZE // 16, SIZE // 32):
        raw = random.normal(0, 1, (3, 5 + CLASSES, cells, cells))
        raw[:, 4] = random.normal(CONFIDENCE_MEAN, CONFIDENCE_DEVIATION, raw[:, 4].shape)
        maps.append(raw.astype(np.float32).tobytes())
    path.write_bytes(b"".join(maps))
    description = {
        "format": 1,
        "input_size": [SIZE, SIZE],
        "anchors": ANCHORS,
        "class_names": [f"class {number}" for number in range(CLASSES)],
        "category_ids": list(range(1, CLASSES + 1)),
    }
    Path(f"{path}.json").write_text(json.dumps(description), encoding="utf-8")


def draw_image(number: int) -> np.ndarray:
    """Draw coarse and fine noise."""
    random = np.random.default_rng(number)
    image = np.full((JPEG_HEIGHT, JPEG_WIDTH, 3), 128, np.float32)
    for cells in (4, 16, 64, 256):
        noise = random.normal(0, NOISE_DEVIATION, (cells * 3 // 4, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (JPEG_WIDTH, JPEG_HEIGHT), interpolation=cv2.INTER_LINEAR)
    return image.clip(0, 255).astype(np.uint8)


def write_images(images: int, work: Path) -> None:
    for name in ("JPEG", "bins"):
        (work / name).mkdir()
    entries = []
    planes = np.random.default_rng(1).normal(0, 1, (3, SIZE, SIZE)).astype(np.float32)
    for number in range(1, images + 1):
        path = work / "JPEG" / f"image_{number:06d}.jpg"
        cv2.imwrite(str(path), draw_image(number), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        file = f"{path.stem}.bin"
        planes.tofile(work / "bins" / file)
        entries.append({"id": number, "name": path.stem, "file": file, "width": JPEG_WIDTH, "height": JPEG_HEIGHT})
    index = {"format": 1, "input_size": [SIZE, SIZE], "dtype": "float32", "layout": "NCHW", "images": entries}
    index |= {"mean_rgb": [0.485, 0.456, 0.406], "std_rgb": [0.229, 0.224, 0.225]}
    (work / "bins" / "index.json").write_text(json.dumps(index), encoding="utf-8")


def run(program: Path, case: Case, work: Path, output: Path) -> tuple[float, float]:
    """Return images/s, and the time of all CPUs in ms per image, which other load on the host changes less."""
    options = {"model": work / "model.ms", "input": work / case.input, "output": output}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [program, *words, *case.options.split()], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    timings = read_json(output / "benchmark.json", "timings")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(timings["images_per_second"]), 1000 * seconds / timings["images"]


def are_equal(first: Path, second: Path) -> bool:
    """Whether two runs gave the same detections, number by number, and the same raw maps if both wrote them."""
    if read_json(first / "detections.json", "detections") != read_json(second / "detections.json", "detections"):
        return False
    folders = [folder / "result_Files" for folder in (first, second)]
    names, others = (sorted(path.name for path in folder.glob("*.bin")) for folder in folders)
    if not names or not others:
        return True
    return names == others and filecmp.cmpfiles(*map(str, folders), names, shallow=False)[0] == names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="folder native310 of the version to compare with")
    parser.add_argument("--new", type=Path, default=NATIVE_DIR)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipeline-speed-") as folder:
        work = Path(folder)
        sources = {"old": arguments.old.resolve(), "new": arguments.new.resolve()}
        programs = {name: build_program(source, work / f"build_{name}") for name, source in sources.items()}
        write_model(work / "model.ms")
        write_images(arguments.images, work)
        print(f"{arguments.rounds} rounds of {arguments.images} images, {len(os.sched_getaffinity(0))} CPUs, images/s")
        for case in CASES:
            runs: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
            for _ in range(arguments.rounds):
                for name, program in programs.items():
                    runs[name].append(run(program, case, work, work / f"output_{name}"))
            (old, old_cpu), (new, new_cpu) = (np.median(runs[name], axis=0) for name in ("old", "new"))
            ratios = np.divide(runs["new"], runs["old"])[:, 0]
            verdict = "reached" if new / old >= TARGET_RATIO else "MISSED"
            equal = "equal" if are_equal(work / "output_old", work / "output_new") else "DIFFERENT"
            print(
                f"{case!s:14s} old {old:7.1f}   new {new:7.1f}   ratio {new / old:.2f} "
                f"(rounds {ratios.min():.2f} to {ratios.max():.2f}), at least {TARGET_RATIO}: {verdict}; "
                f"CPU {old_cpu:.2f} -> {new_cpu:.2f} ms per image; results {equal}",
                flush=True,
            )


if __name__ == "__main__":
    main()
