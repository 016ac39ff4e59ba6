"""Run the native program on images."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from yolov3.external_tool import find_tool, run_tool
from yolov3.process import available_cpus
from yolov3.terminal import progress_bar

PROGRESS = re.compile(r"(\d+) of (\d+) images")
# What the device left to the host; images take longer then.
LEFT_TO_HOST = re.compile(r"\d+ of \d+ JPEG files are decoded on the host")


@dataclass(frozen=True)
class NativeRunSettings:
    """How to run the program; the other fields are the config's keys of the same names in `infer` and `eval`.

    Attributes:
        threads: CPU threads of the network, limited to the available CPUs.
    """

    engine: str
    device: str
    device_id: int
    raw_maps: bool
    precision: str
    warmup: int
    threads: int
    eval_ignore_threshold: float
    nms_thresh: float
    max_detections: int
    multi_label: bool = False


def native_command(
    program: Path,
    model: Path,
    images: Path,
    output_dir: Path,
    settings: NativeRunSettings,
    annotations: Path | None = None,
) -> list[str]:
    """Return the command line of the native program.

    Args:
        program: the program.
        model: model, with its description beside it.
        images: folder of bins or of JPEG files.
        output_dir: folder of the results.
        settings: see `NativeRunSettings`.
        annotations: COCO annotations with the ids of JPEG files; None takes them from the names.
    """
    options = {
        "model": model,
        "input": images,
        "output": output_dir,
        "engine": settings.engine,
        "device": settings.device,
        "device_id": settings.device_id,
        "threads": min(settings.threads, available_cpus()),
        "raw": int(settings.raw_maps),
        "precision": settings.precision,
        "warmup": settings.warmup,
        "score_threshold": settings.eval_ignore_threshold,
        "nms_threshold": settings.nms_thresh,
        "max_detections": settings.max_detections,
        "multi_label": int(settings.multi_label),
    }
    if annotations:
        options["annotations"] = annotations
    return [str(program), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]


def run_program(command: list[str]) -> None:
    """Run the program with its output in the log.

    Raises:
        InputError: it is missing or fails; the message has its last line, or the signal that killed it.
    """
    find_tool(command[0], "build it with `snakemake build_native310`")
    with progress_bar() as bar:

        def show(line: str) -> None:
            if counts := PROGRESS.match(line):
                bar.total = int(counts[2])
                bar.update(int(counts[1]) - bar.n)
            elif LEFT_TO_HOST.match(line):
                logging.warning("%s", line)

        run_tool(command, on_line=show)
