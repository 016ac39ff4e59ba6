"""Feed each reader of the native program mutated files, by libFuzzer under address and undefined-behaviour sanitizers.

python tests/fuzz/run.py --build_dir DIR [--runs 20000] [--readers jpeg,exif]

Needs clang with its runtime libraries. What was found is in DIR/findings; `DIR/fuzz_jpeg FILE` runs one file again.
Damages checkpoints, too, which Python reads (checkpoints.py).
"""

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from yolov3.native.build import json_include_dirs

FOLDER = Path(__file__).parent
READERS = ("annotations", "bins", "description", "device", "exif", "index", "jpeg", "list", "checkpoints")
# Longer files find nothing that these do not, and take longer.
MAX_BYTES = {
    "annotations": 600,
    "bins": 80,
    "description": 900,
    "device": 1000,
    "exif": 200,
    "index": 700,
    "jpeg": 1000,
    "list": 200,
}
ORIENTATION = 0x0112
COMPILERS = ("clang++", *(f"clang++-{version}" for version in range(25, 12, -1)))


def seeds_of(reader: str) -> list[bytes]:
    """Return valid files of a kind, small ones, from which the mutation starts."""
    placement = {"width": 640, "height": 480, "offset_xy": [0, 0.1], "share_xy": [1, 0.8]}
    index = {
        "format": 1,
        "input_size": [2, 3],
        "dtype": "uint8",
        "layout": "NHWC",
        "images": [{"id": number, "name": f"a{number}", "file": "1.bin", **placement} for number in (1, 2)],
    }
    description = {
        "format": 1,
        "input_size": [64, 96],
        "anchors": [[10.5, 13]] * 9,
        "class_names": ["a", "\N{EURO SIGN}"],
        "category_ids": [1, 18446744073709551615],
        "letterbox": True,
        "mean_rgb": [0.5, 0, 1],
        "std_rgb": [1, 1, 0.5],
    }
    annotations = {
        "info": {"a": [1, [{}], 2.5e3, None]},
        "images": [{"id": -7, "file_name": "val/1.jpg", "width": 8, "height": 6}, {"id": 8, "file_name": "2.jpg"}],
        "annotations": [{"bbox": [1.5, 2, 3, 4], "text": "\\u00e9"}],
    }
    return {
        "annotations": lambda: [_json(annotations), b"\xef\xbb\xbf" + _json(annotations)],
        # The first byte chooses types and layouts.
        "bins": lambda: [bytes([kind]) + bytes(size) for kind in range(16) for size in (18, 72)],
        "description": lambda: [_json(description)],
        "exif": lambda: [b"Exif\0\0" + _exif(orientation)[6:] for orientation in (1, 6)],
        "index": lambda: [_json(index), _json({**index, "dtype": "float32", "layout": "NCHW"})],
        "device": _jpegs,
        "jpeg": _jpegs,
        "list": lambda: [b"images/1.jpg\r\n\n2.jpeg \nCOCO_000000000042.jpg", b"\xef\xbb\xbf007.jpg\n"],
    }[reader]()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


def _jpegs() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 17, 3)).astype(np.uint8)
    picture = Image.fromarray(pixels)
    files = []
    for image, options in (
        (picture, {}),
        (picture, {"progressive": True, "exif": _exif(6)}),
        (picture, {"subsampling": 0, "restart_marker_blocks": 1}),
        (picture.convert("L"), {"exif": _exif(8)}),
        (picture.convert("CMYK"), {}),
    ):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=20, **options)
        files.append(stream.getvalue())
    return files


def build(build_dir: Path) -> None:
    """Compile the targets of CMakeLists.txt; end the program with a sentence if clang is missing."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        sys.exit("clang is missing: install it with its runtime libraries (apt-get install clang libclang-rt-dev)")
    options = [f"-DCMAKE_CXX_COMPILER={compiler}", f"-DNLOHMANN_JSON_DIRS={json_include_dirs()}"]
    subprocess.run(["cmake", "-S", str(FOLDER), "-B", str(build_dir), *options], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", str(build_dir), "-j2"], check=True, stdout=subprocess.DEVNULL)


def fuzz(reader: str, build_dir: Path, runs: int, seed: int) -> bool:
    """Run a target and return whether it found nothing."""
    seeds, findings = build_dir / "seeds" / reader, build_dir / "findings"
    for folder in (seeds, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds_of(reader)):
        (seeds / str(number)).write_bytes(content)
    command = [str(build_dir / f"fuzz_{reader}"), f"-runs={runs}", f"-seed={seed}", f"-max_len={MAX_BYTES[reader]}"]
    command += ["-timeout=60", f"-artifact_prefix={findings}/{reader}-", "-print_final_stats=1", str(seeds)]
    # Inputs that reach new code are added to the seeds.
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    print(f"{reader}: {executed[1] if executed else 0} runs, {'nothing' if not done.returncode else 'a fault'} found")
    if done.returncode:
        print(done.stderr[-8000:], file=sys.stderr)
    return done.returncode == 0


def main() -> int:
    """Run the chosen readers and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build_dir", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=20_000, help="mutated files per reader")
    parser.add_argument("--readers", default=",".join(READERS), help="some of them, with commas between")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    readers = arguments.readers.split(",")
    if unknown := set(readers) - set(READERS):
        parser.error(f"unknown reader {min(unknown)}: choose from {', '.join(READERS)}")
    native = [reader for reader in readers if reader != "checkpoints"]
    if native:
        build(arguments.build_dir)
    are_sound = [fuzz(reader, arguments.build_dir, arguments.runs, arguments.seed) for reader in native]
    if "checkpoints" in readers:
        words = ["--runs", str(arguments.runs), "--seed", str(arguments.seed)]
        environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
        command = [sys.executable, str(FOLDER / "checkpoints.py"), *words]
        are_sound.append(subprocess.run(command, env=environment, check=False).returncode == 0)
    return 0 if all(are_sound) else 1


if __name__ == "__main__":
    sys.exit(main())
