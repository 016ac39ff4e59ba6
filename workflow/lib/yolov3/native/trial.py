"""Find the fastest of several engines for a network on this host by a short trial."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from yolov3.errors import InputError
from yolov3.files import read_json, write_json
from yolov3.native.bins import INDEX_NAME
from yolov3.native.run import NativeRunSettings, native_command, run_program

# Engines alternate, and the fastest of their rounds counts, so that another load on the host decides nothing.
ROUNDS = 3
MAX_IMAGES = 16
ENGINE_OF_SUFFIX = {".ms": "lite", ".onnx": "openvino"}


def fastest_engine(
    program: Path, models: Sequence[Path], bins: Path, settings: NativeRunSettings
) -> tuple[str, Path, dict[str, float]]:
    """Run each model on the first images and compare the median times of the network.

    Args:
        program: native program, beside the engines that were built for it.
        models: forms of one network, each for an engine by its suffix.
        bins: folder of prepared images.
        settings: how the program runs; the engine is that of the model.

    Returns:
        The engine, its model, and the milliseconds per call by engine.

    Raises:
        InputError: no engine for these models was built, or a run fails.
    """
    candidates = {
        ENGINE_OF_SUFFIX[model.suffix]: model
        for model in models
        if program.with_name(f"libnative310_engine_{ENGINE_OF_SUFFIX[model.suffix]}.so").is_file()
    }
    if not candidates:
        raise InputError(f"{program} has no engine beside it for engine auto to choose: build it again")
    milliseconds = dict.fromkeys(candidates, float("inf"))
    with tempfile.TemporaryDirectory(prefix="trial-") as name:
        few, output = Path(name) / "bins", Path(name) / "output"
        _write_first_images(bins, few)
        for _ in range(ROUNDS if len(candidates) > 1 else 1):
            for engine, model in candidates.items():
                run_program(
                    native_command(program, model, few, output, replace(settings, engine=engine, raw_maps=False))
                )
                measured = read_json(output / "benchmark.json", "timings file")["network_ms"]["p50"]
                milliseconds[engine] = min(milliseconds[engine], float(measured))
    fastest = min(milliseconds, key=lambda engine: milliseconds[engine])
    times = ", ".join(f"{engine} {time:.2f} ms" for engine, time in milliseconds.items())
    logging.info("the fastest engine on this host is %s (%s)", fastest, times)
    return fastest, candidates[fastest], milliseconds


def _write_first_images(bins: Path, folder: Path) -> None:
    """Write an index of the first images of a folder of bins, with links to them."""
    index = read_json(bins / INDEX_NAME, "bins index")
    entries = index["images"][:MAX_IMAGES]
    for entry in entries:
        link = folder / entry["file"]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((bins / entry["file"]).resolve())
    write_json(folder / INDEX_NAME, {**index, "images": entries})
