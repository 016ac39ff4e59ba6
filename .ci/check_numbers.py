"""Check the results of the embedded data set against what the project promises."""

import json
import sys
from pathlib import Path

# Name, file under the results folder, least value.
PROMISES = [("AP50", "eval_coco/metrics.json", 0.5)]
# Two runs whose AP may differ by at most the third value.
CLOSE = [("eval_coco", "infer_310", 0.002), ("infer_310", "quant_infer_310", 0.02)]


def main(results: Path) -> int:
    """Print each promise beside what was reached; return 1 if one is broken."""
    broken = 0
    for name, file, least in PROMISES:
        reached = json.loads((results / file).read_text())[name]
        print(f"{name} {reached:.3f}, promised {least}: {'kept' if reached >= least else 'BROKEN'}")
        broken |= reached < least
    for one, other, most in CLOSE:
        first, second = (json.loads((results / stage / "metrics.json").read_text())["AP"] for stage in (one, other))
        kept = abs(first - second) <= most
        print(f"AP {one} {first:.4f}, {other} {second:.4f}, promised within {most}: {'kept' if kept else 'BROKEN'}")
        broken |= not kept
    page = (results / "report" / "report.html").stat().st_size
    print(f"report page: {page / 1e6:.1f} MB")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
