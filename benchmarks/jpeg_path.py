"""Compare the accuracy of Ascend's JPEG path (DVPP, AIPP) with that of pixels prepared in Python, without the hardware.

    cmake -S native310 -B build -DOpenVINO_DIR=... && cmake --build build      # as native310/README.md says
    python benchmarks/jpeg_path.py results/data/manifest.json build results/export/yolov3_darknet53.onnx \
        results/quant_qdq/yolov3_darknet53_int8.onnx

The tests' fake AscendCL decodes, resizes (bilinearly) and normalises as CANN documents it; OpenVINO runs the network.
Each model runs in engine openvino on the JPEG files, whose pixels equal Python's, and in engine acl over the fake.
"""

import argparse
import os
import runpy
import shutil
import tempfile
from pathlib import Path

from yolov3.export.description import ModelDescription
from yolov3.files import read_json
from yolov3.native.aipp import RGB, YUV420SP, aipp_config, model_aipp

INFER = Path(__file__).resolve().parents[1] / "workflow" / "scripts" / "infer_310.py"
ANCHORS_PER_STRIDE = 3
MAX_DIFFERENCE = 0.005


def write_fake_om(model: Path, onnx: Path, input_format: str | None) -> None:
    """Write a model for the fake AscendCL (native310/tests/fake_acl/fake_model.h): AIPP, then an ONNX file."""
    description = ModelDescription.read(onnx)
    chosen = model_aipp(model, "jpeg", description)
    aipp = aipp_config(input_format, description.input_size, description.mean_std) if input_format else chosen
    height, width = description.input_size
    channels = ANCHORS_PER_STRIDE * (5 + len(description.class_names))
    header = f"FAKEOM 1 {height} {width} {channels} float32 float32 NCHW AIPP {len(aipp)} NETWORK {onnx.resolve()}"
    model.write_text(f"{header}\n{aipp}", encoding="utf-8")
    description.write(model)


def average_precision(program: Path, model: Path, manifest: Path, output: Path, *words: str) -> float:
    """Run a model on the JPEG files of the validation split and return its AP."""
    options = ["--program", program, "--model", model, "--manifest", manifest, "--output_dir", output]
    options += ["--input", "jpeg", "--raw_maps", "false", *words]
    if runpy.run_path(str(INFER))["main"]([str(word) for word in options]):
        raise SystemExit(1)
    return float(read_json(output / "metrics.json", "metrics")["AP"])


def main() -> None:
    """Print the AP of both paths for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("build", type=Path, help="CMake build with the tests and engine openvino")
    parser.add_argument("models", type=Path, nargs="+", help="ONNX files with their descriptions")
    formats = (YUV420SP, RGB)
    parser.add_argument("--input_format", choices=formats, help="of AIPP. Default: as the workflow chooses")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    os.environ["FAKE_ACL_NETWORK_ENGINE"] = str(build / "libnative310_engine_openvino.so")
    results = []
    for onnx in arguments.models:
        folder = Path(tempfile.mkdtemp(prefix="jpeg-path-"))
        try:
            write_fake_om(folder / "model.om", onnx, arguments.input_format)
            exact = average_precision(
                build / "native310", onnx, arguments.manifest, folder / "openvino", "--engine", "openvino"
            )
            fake = build / "tests" / "native310_with_fake_acl"
            acl = ("--engine", "acl", "--device", "ascend")
            decoded = average_precision(fake, folder / "model.om", arguments.manifest, folder / "acl", *acl)
        finally:
            shutil.rmtree(folder)
        results.append((onnx.name, exact, decoded))
    for name, exact, decoded in results:
        difference = decoded - exact
        verdict = "within" if abs(difference) <= MAX_DIFFERENCE else "NOT within"
        print(f"{name}: AP {exact:.4f}, by DVPP and AIPP {decoded:.4f}: {difference:+.4f}, {verdict} {MAX_DIFFERENCE}")


if __name__ == "__main__":
    main()
