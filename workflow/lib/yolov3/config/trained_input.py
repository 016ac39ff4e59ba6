"""Input size and letterbox of a network: of its training, and as its file records them."""

import json
import logging
from pathlib import Path
from typing import Any

# For networks whose file does not record its input size and letterbox.
FALLBACK_INPUT = {"testing_shape": 416, "letterbox": False}


def training_input(testing_shape: int | None, letterbox: bool | None, training_shape: str | int = "") -> dict[str, Any]:
    """Return the testing_shape and letterbox to store in a checkpoint.

    Args:
        testing_shape, letterbox: options, None if not given.
        training_shape: input size of the training in pixels, "" for several sizes.
    """
    side = testing_shape or training_shape or FALLBACK_INPUT["testing_shape"]
    return {"testing_shape": int(side), "letterbox": bool(letterbox)}


def input_as_trained(
    path: str | Path, carried: Any, testing_shape: int | None, letterbox: bool | None
) -> dict[str, Any]:
    """Return the testing_shape and letterbox to run a network with: the options, else the file's, else FALLBACK_INPUT.

    Args:
        path: file of the network, for the log.
        carried: object with attributes testing_shape and letterbox as read from the file, each None if the file does
            not record it; or None.
        testing_shape, letterbox: options, None if not given.
    """
    resolved, fallbacks = {}, []
    for name, option in {"testing_shape": testing_shape, "letterbox": letterbox}.items():
        stored = getattr(carried, name) if carried else None
        if option is not None and stored not in (None, option):
            logging.warning("%s has %s %s; using %s as given", path, name, json.dumps(stored), json.dumps(option))
        if option is None and stored is None:
            fallbacks.append(f"{name} {json.dumps(FALLBACK_INPUT[name])}")
        resolved[name] = next(value for value in (option, stored, FALLBACK_INPUT[name]) if value is not None)
    if fallbacks:
        logging.info("%s does not record how images fill its input: using %s", path, ", ".join(fallbacks))
    return resolved
