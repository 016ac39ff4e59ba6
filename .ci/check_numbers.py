"""Check the results of the embedded data set against what the project promises."""

import json
import sys
from pathlib import Path

# Name, file under the results folder, least value.
PROMISES = [("AP50", "eval_coco/metrics.json", 0.5)]


def main(results: Path) -> int:
    """Print each promise beside what was reached; return 1 if one is broken."""
    broken = 0
    for name, file, least in PROMISES:
        reached = json.loads((results / file).read_text())[name]
        print(f"{name} {reached:.3f}, promised {least}: {'kept' if reached >= least else 'BROKEN'}")
        broken |= reached < least
    page = (results / "report" / "report.html").stat().st_size
    print(f"report page: {page / 1e6:.1f} MB")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
