"""CSV file of the logged training steps."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class StepMetrics:
    """A logged step: total loss, the four loss terms, learning rate, and speed since the previous logged step."""

    epoch: int
    iter: int
    loss: float
    loss_xy: float
    loss_wh: float
    loss_confidence: float
    loss_class: float
    lr: float
    images_per_second: float


class MetricsLog:
    """Appends steps to a CSV file.

    Args:
        path: the file; lines from `first_step` on, left by a killed run, are dropped.
        first_step: first step of this run.
    """

    def __init__(self, path: Path, first_step: int) -> None:
        self.path = path
        names = [field.name for field in fields(StepMetrics)]
        kept: list[dict[str, str]] = []
        if first_step and path.exists():
            with path.open(newline="", encoding="utf-8") as stream:
                # A killed run can leave its last line incomplete.
                kept = [row for row in csv.DictReader(stream) if _is_before(row, first_step)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(kept)

    def append(self, step: StepMetrics) -> None:
        """Append a line and write it to the file."""
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, list(asdict(step))).writerow(
                {name: f"{value:.8g}" if isinstance(value, float) else value for name, value in asdict(step).items()}
            )


def _is_before(row: dict[str, str], first_step: int) -> bool:
    return None not in row.values() and row["iter"].isdigit() and int(row["iter"]) < first_step
