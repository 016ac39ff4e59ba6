"""The public interface of a trained network: `from yolov3.prediction import load_detector`."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Imported on first use because it imports MindSpore, which other modules of this package do not need.
    if name == "load_detector":
        from yolov3.prediction.detector import load_detector

        return load_detector
    raise AttributeError(f"module {__name__} has no attribute {name}")
