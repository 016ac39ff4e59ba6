"""What a finished workflow shows last: accuracy of the programs, time of each stage, and where the report is."""

import json
import textwrap
from collections.abc import Iterable
from pathlib import Path

from yolov3.log_lines import duration_text

PROGRAMS = {"MindSpore": "eval_coco", "native float": "infer_310", "native int8": "quant_infer_310"}
WIDTH = 80
GLUE = "\0"


def summary_text(results: Path, stages: Iterable[str]) -> str:
    """Return the lines for the folder of all results, with the times of those of `stages` that were measured."""
    lines = [f"{'':14}{'AP':8}{'AP50':8}images/s"]
    for program, folder in PROGRAMS.items():
        metrics = json.loads((results / folder / "metrics.json").read_text(encoding="utf-8"))
        lines.append(f"{program:14}{metrics['AP']:<8.4f}{metrics['AP50']:<8.4f}{metrics['images_per_second']:.1f}")
    files = {stage: results / "benchmarks" / f"{stage}.tsv" for stage in stages}
    # The time in seconds is the first column of the second line.
    rows = {stage: path.read_text().splitlines()[1] for stage, path in files.items() if path.exists()}
    # Lines break between stages only.
    times = [f"{stage} {duration_text(float(row.split()[0]))}".replace(" ", GLUE) for stage, row in rows.items()]
    wrapped = textwrap.wrap(", ".join(times), WIDTH, initial_indent=f"{'time':14}", subsequent_indent=" " * 14)
    lines += [line.replace(GLUE, " ") for line in wrapped]
    return "\n".join([*lines, f"{'report':14}{results / 'report' / 'report.html'}"])
