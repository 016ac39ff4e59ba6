"""Compare the native program with ONNX Runtime and plain MindSpore Lite, and int8 with float: the full network at 416.

    python benchmarks/native_speed.py results/data/manifest.json results/native310

Uses random weights, 80 classes and all available cores; the second argument is the folder of a finished workflow with
the program, the converter and MindSpore Lite. All alternate in each round, so that other load slows them equally. Times
of the program are per image over the whole run, from reading the first image to writing the last result.
"""

import argparse
import multiprocessing
import os
import subprocess
import tempfile
import timeit
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from yolov3.config.config import complete_config
from yolov3.data.annotations import load_split
from yolov3.data.manifest import Manifest
from yolov3.distributed.worker import start_runtime
from yolov3.export.description import ModelDescription
from yolov3.export.export import ExportSettings, export_network, input_batch
from yolov3.files import read_json
from yolov3.native.bins import BinsSettings, write_bins
from yolov3.native.build import BuildSettings, build
from yolov3.native.converters import convert
from yolov3.native.mslite_runtime import MsliteRuntime
from yolov3.network.settings import NetworkSettings
from yolov3.network.yolo import YOLOv3
from yolov3.quantization.calibration import CalibrationFolder, calibration_bins, draw_images
from yolov3.quantization.qdq import quantize_qdq

NATIVE_DIR = Path(__file__).resolve().parents[1] / "native310"
SIZE = 416
WARMUP = 3
CALIBRATION_IMAGES = 8
# Random weights give every box a score of about 0.25; above this threshold about as few remain as after training.
SCORE_THRESHOLD = 0.5
# Pairs of runs whose times are compared, and the largest ratio that is wanted.
RATIOS = (
    ("native, lite", "ONNX Runtime", 0.7),
    ("native, openvino", "ONNX Runtime", 0.7),
    ("native, openvino, bfloat16", "ONNX Runtime", 0.7),
    ("native, lite", "bare Lite Predict", 1.05),
    ("native, openvino, int8", "native, lite", 0.6),
    ("native, openvino, int8", "native, openvino", 0.6),
)

BARE_CMAKE = """cmake_minimum_required(VERSION 3.16)
project(bare_predict LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_FLAGS -O2)
list(APPEND CMAKE_MODULE_PATH "@NATIVE_DIR@/cmake")
find_package(MindSporeLite REQUIRED)
add_executable(bare_predict bare_predict.cc)
target_link_libraries(bare_predict PRIVATE MindSporeLite::Runtime)
"""
BARE_SOURCE = r"""
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <vector>

#include "include/api/context.h"
#include "include/api/model.h"

// bare_predict MODEL BIN THREADS WARMUP RUNS: prints the milliseconds of each Predict.
int main(int, char** argv) {
  auto context = std::make_shared<mindspore::Context>();
  context->SetThreadNum(std::atoi(argv[3]));
  context->MutableDeviceInfo().push_back(std::make_shared<mindspore::CPUDeviceInfo>());
  mindspore::Model model;
  if (model.Build(argv[1], mindspore::ModelType::kMindIR_Lite, context).IsError()) return 1;
  std::vector<mindspore::MSTensor> inputs = model.GetInputs(), outputs;
  std::ifstream bin(argv[2], std::ios::binary);
  if (!bin.read(static_cast<char*>(inputs[0].MutableData()), inputs[0].DataSize())) return 1;
  const int warmup = std::atoi(argv[4]), runs = std::atoi(argv[5]);
  for (int run = -warmup; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    if (model.Predict(inputs, &outputs).IsError()) return 1;
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
    if (run >= 0) std::printf("%.4f\n", taken.count());
  }
  return 0;
}
"""


def prepare(manifest_path: Path, images: int, native: Path, work: Path) -> None:
    """Write the models (float.onnx, float.ms, int8.onnx) and the bins."""
    start_runtime("CPU", 1)
    values = complete_config({})["network"]
    names = [f"class {number}" for number in range(80)]
    network = YOLOv3(NetworkSettings.from_values({**values, "anchors": values["anchor_scales"], "class_names": names}))
    network.set_train(False)
    manifest = Manifest.read(manifest_path)
    val, train = load_split(manifest, "val"), load_split(manifest, "train")
    settings = ExportSettings("ONNX", "float", False, 1, SIZE, False)
    mean_std = network.settings.mean_std
    export_network(network, tuple(range(1, 81)), settings, ("ONNX",), input_batch(val, mean_std, settings), work)
    description = ModelDescription.read(work / "float.onnx")
    convert(str(native / "converter/mslite_convert"), work / "float.onnx", work / "float.ms")
    write_bins(val, range(images), BinsSettings(SIZE, False, mean_std), work / "bins")
    drawn = draw_images(train, CALIBRATION_IMAGES, 1)
    write_bins(train, drawn, calibration_bins(SIZE, False, mean_std), work / "calibration")
    calibration = CalibrationFolder.read(work / "calibration", (SIZE, SIZE), mean_std)
    quantize_qdq(work / "float.onnx", work / "int8.onnx", calibration, "MAX_MIN", "")
    for name in ("float.ms", "int8.onnx"):
        description.write(work / name)


def build_bare_predict(native: Path, work: Path) -> Path:
    source = work / "bare"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(BARE_CMAKE.replace("@NATIVE_DIR@", NATIVE_DIR.as_posix()), encoding="utf-8")
    (source / "bare_predict.cc").write_text(BARE_SOURCE, encoding="utf-8")
    root = MsliteRuntime.read(native / "mslite/runtime.json").root
    build(BuildSettings(source, source / "build", "bare_predict", root, "", 1))
    return source / "build/bare_predict"


def native_time(program: Path, engine: str, model: Path, threads: int, precision: str = "float32") -> float:
    """Return the milliseconds per image of a whole run on the bins beside the model."""
    with tempfile.TemporaryDirectory(dir=model.parent) as output:
        options = {
            "engine": engine,
            "model": model,
            "input": model.parent / "bins",
            "output": output,
            "threads": threads,
        }
        options |= {"warmup": WARMUP, "raw": 0, "precision": precision, "score_threshold": SCORE_THRESHOLD}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        subprocess.run([program, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        timings = read_json(Path(output) / "benchmark.json", "timings")
    return 1000 * timings["seconds"] / timings["images"]


def bare_predict_time(program: Path, model: Path, image: Path, threads: int, runs: int) -> float:
    words = [str(word) for word in (program, model, image, threads, WARMUP, runs)]
    output = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return float(np.median([float(line) for line in output.splitlines()]))


def onnxruntime_time(session: onnxruntime.InferenceSession, images: list[np.ndarray]) -> float:
    name = session.get_inputs()[0].name
    for _ in range(WARMUP):
        session.run(None, {name: images[0]})
    seconds = [timeit.timeit(partial(session.run, None, {name: image}), number=1) for image in images]
    return 1000 * float(np.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("native", type=Path, help="folder with build/, converter/ and mslite/")
    parser.add_argument("--images", type=int, default=20, help="images per round")
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    program = arguments.native / "build/native310"
    with tempfile.TemporaryDirectory(prefix="native-speed-") as folder:
        work = Path(folder)
        # In a process of its own, so that no thread of MindSpore is left during the measurements.
        job = (arguments.manifest, arguments.images, arguments.native, work)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(prepare, job)
        bare = build_bare_predict(arguments.native, work)
        files = [work / "bins" / entry["file"] for entry in read_json(work / "bins/index.json", "index")["images"]]
        images = [np.fromfile(file, np.float32).reshape(1, 3, SIZE, SIZE) for file in files]
        onnx = work / "float.onnx"
        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(onnx, session_options, providers=["CPUExecutionProvider"])
        times: dict[str, list[float]] = {}
        runs = {
            "native, lite": lambda: native_time(program, "lite", work / "float.ms", threads),
            "bare Lite Predict": lambda: bare_predict_time(bare, work / "float.ms", files[0], threads, len(files)),
            "ONNX Runtime": lambda: onnxruntime_time(session, images),
            "native, openvino": lambda: native_time(program, "openvino", onnx, threads),
            "native, openvino, bfloat16": lambda: native_time(program, "openvino", onnx, threads, "bfloat16"),
            "native, openvino, int8": lambda: native_time(program, "openvino", work / "int8.onnx", threads),
        }
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                times.setdefault(name, []).append(run())
    print(f"{arguments.rounds} rounds of {arguments.images} images, {threads} threads, ms per image")
    for name, values in times.items():
        print(f"{name:34s} median {np.median(values):7.1f}   rounds {' '.join(f'{value:7.1f}' for value in values)}")
    for name, base, limit in RATIOS:
        ratio = np.median(times[name]) / np.median(times[base])
        rounds = np.divide(times[name], times[base])
        verdict = "reached" if ratio <= limit else "MISSED"
        text = f"{name} / {base}"
        print(f"{text:52s} {ratio:.3f} (rounds {rounds.min():.3f} to {rounds.max():.3f}), at most {limit}: {verdict}")


if __name__ == "__main__":
    main()
