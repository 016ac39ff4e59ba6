"""Which models only the native program runs, and by which of its engines."""

from pathlib import Path

ENGINE_OF_SUFFIX = {".ms": "lite", ".om": "acl"}


def native_engine(model: Path, device: str) -> str:
    """Return the engine of a model that only the native program runs on a device, "" for all others."""
    is_for_ascend = model.suffix == ".mindir" and device == "ascend"
    return "lite" if is_for_ascend else ENGINE_OF_SUFFIX.get(model.suffix, "")
