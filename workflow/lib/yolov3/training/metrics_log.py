"""CSV file of the logged training steps."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StepMetrics:
    """A logged step: total loss and its terms by name, learning rate, and speed since the previous logged step."""

    epoch: int
    iter: int
    loss: float
    terms: dict[str, float]
    lr: float
    images_per_second: float

    def by_column(self) -> dict[str, float]:
        """Return the values by their columns in the CSV file."""
        terms = {f"loss_{name}": value for name, value in self.terms.items()}
        general = {"epoch": self.epoch, "iter": self.iter, "loss": self.loss}
        return {**general, **terms, "lr": self.lr, "images_per_second": self.images_per_second}


class MetricsLog:
    """Appends steps to a CSV file.

    Args:
        path: the file; lines from `first_step` on, left by a killed run, are dropped.
        first_step: first step of this run.
        term_names: names of the terms of the loss.
    """

    def __init__(self, path: Path, first_step: int, term_names: tuple[str, ...]) -> None:
        self.path = path
        self.term_names = term_names
        names = list(StepMetrics(0, 0, 0.0, dict.fromkeys(term_names, 0.0), 0.0, 0.0).by_column())
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
        epoch, iteration, *floats = step.by_column().values()
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerow([epoch, iteration, *(f"{value:.8g}" for value in floats)])


def _is_before(row: dict[str, str], first_step: int) -> bool:
    return None not in row.values() and row["iter"].isdigit() and int(row["iter"]) < first_step
