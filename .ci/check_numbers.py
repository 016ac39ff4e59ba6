"""Check the results of the embedded data set against the project's promises."""

import json
import sys
from pathlib import Path

# Metric, file in the results folder, minimum.
PROMISES = [("AP", "eval_coco/metrics.json", 0.43), ("AP50", "eval_coco/metrics.json", 0.78)]
# Two stages and the largest allowed difference of their AP.
CLOSE = [("eval_coco", "infer_310", 0.002), ("infer_310", "quant_infer_310", 0.01)]


def main(results: Path) -> int:
    """Print each promise beside the value reached; return 1 if one is broken, else 0."""
    is_broken = False
    for metric, file, minimum in PROMISES:
        value = json.loads((results / file).read_text())[metric]
        print(f"{metric} {value:.3f}, promised {minimum}: {'kept' if value >= minimum else 'BROKEN'}")
        is_broken |= value < minimum
    for *stages, tolerance in CLOSE:
        first, second = (json.loads((results / stage / "metrics.json").read_text())["AP"] for stage in stages)
        is_kept = abs(first - second) <= tolerance
        values = f"{stages[0]} {first:.4f}, {stages[1]} {second:.4f}"
        print(f"AP {values}, promised within {tolerance}: {'kept' if is_kept else 'BROKEN'}")
        is_broken |= not is_kept
    page_bytes = (results / "report" / "report.html").stat().st_size
    print(f"report page: {page_bytes / 1e6:.1f} MB")
    return int(is_broken)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
