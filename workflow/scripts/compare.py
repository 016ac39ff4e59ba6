#!/usr/bin/env python3
"""Compare finished runs with the first of them: accuracy, settings, sizes and speeds on one page.

compare.py runs/first runs/second --output_dir comparison

Writes comparison.html, and its numbers as comparison.json.
"""

import argparse
import logging
import sys
from pathlib import Path

from yolov3.config.options import add_options
from yolov3.config.stage import run_stage, stage_parser
from yolov3.report.comparison import SAMPLES, compare_runs
from yolov3.report.comparison_page import write_comparison
from yolov3.report.run_folders import result_folders, run_names
from yolov3.report.runs import read_run
from yolov3.terminal import RESULT, progress_bar


def run(arguments: argparse.Namespace) -> None:
    """Read the runs and write the two files."""
    folders = result_folders(arguments.runs)
    runs = [read_run(name, folder) for name, folder in zip(run_names(folders), folders, strict=True)]
    with progress_bar(total=SAMPLES) as bar:
        comparisons = compare_runs(runs, arguments.seed, on_sample=bar.update)
    write_comparison(runs, comparisons, arguments.seed, arguments.output_dir)
    for comparison in comparisons:
        if ap := comparison.metrics.get("AP"):
            bounds = f" ({ap.low:+.4f} to {ap.high:+.4f})" if ap.low is not None else ""
            logging.log(RESULT, "AP %.4f, %s: %+.4f%s", ap.value, comparison.run, ap.change, bounds)
    logging.info("%s: %d runs", arguments.output_dir / "comparison.html", len(runs))


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; return the exit code."""
    parser = stage_parser(__doc__)
    parser.add_argument("runs", nargs="*", help="folders of finished runs, the reference first")
    parser.add_argument("--output_dir", type=Path, default=Path("comparison"), help="folder to write to")
    add_options(parser, "", only=("seed",))
    return run_stage(run, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
