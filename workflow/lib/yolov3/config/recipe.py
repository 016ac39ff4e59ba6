"""Defaults by situation: recipes of training, and sizes of the network.

A recipe is nothing but a set of defaults of documented options; what the config gives has priority.
"""

import json
from typing import Any

from yolov3.config.schema import section_schema

PUBLISHED, MODERN = "published", "modern"

# Size "full" is the schema's default.
NETWORK_SIZES: dict[str, dict[str, Any]] = {
    "full": {},
    "slim": {"backbone_shape": [16, 32, 64, 128, 256], "backbone_layers": [1, 1, 2, 2, 1]},
    "tiny": {"backbone_shape": [8, 16, 32, 64, 128], "backbone_layers": [1, 1, 1, 1, 1]},
}

# Of the training on own data; measured in docs/training.md.
_SCHEDULER, _OPTIMIZER, _WEIGHT_DECAY = "cosine_annealing", "adamw", 0.01
# Measured for slim, and for full a quarter of it, as it has four times as many channels: the best rate of Adam falls
# with the width of the layers (arXiv:2203.03466).
_RATE, _RATE_CHANNELS, _MAX_RATE = 0.001, 1024, 0.004
_BOX_LOSS, _BOX_WEIGHT = "ciou", 4
# Small data sets need many updates: with 8 instead of 4 images AP was 0.015 lower after the same number of epochs.
_BATCH = {"per_batch_size": 4}
# Share of the epochs over which the weights are averaged, and the largest number of them.
_AVERAGED_SHARE, _MAX_AVERAGED = 1 / 30, 5
# Saves the steps in which all predictions learn to be background.
_START = {"objectness_prior": 0.01}
# The published changes of size (0.25 to 2) and shape (0.3) are too strong for some hundred images.
_AUGMENTATION = {"jitter": 0.1, "scale_min": 0.8, "scale_max": 1.3, "hue": 0.05, "saturation": 1.2, "value": 1.2}
# Share of the epochs in which the learning rate rises, and the largest number of them.
_WARMUP_SHARE, _MAX_WARMUP = 0.125, 4
# The published epochs at which the rate falls, as shares of its 320 epochs.
_MILESTONE_SHARES = (220 / 320, 250 / 320)
# Darknet's 0.99 averages over too many steps for a short training.
_BATCH_NORM_FROM_SCRATCH = {"batch_norm_momentum": 0.95}


def recipe_of(config: dict[str, Any]) -> str:
    """Return the recipe of a config as the user wrote it: by default "modern" for own data, else "published"."""
    provider = config.get("data", {}).get("provider")
    return config.get("recipe") or (MODERN if provider == "custom" else PUBLISHED)


def situation_defaults(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the defaults, by section and key, that a config sets in place of the schema's.

    Args:
        config: what the user wrote, valid by the schema.
    """
    network, train = config.get("network", {}), config.get("train", {})
    defaults = {"network": dict(NETWORK_SIZES[network.get("size", "full")]), "train": {}}
    schema = section_schema("train")
    epochs = train.get("max_epoch", schema["max_epoch"]["default"])
    if recipe_of(config) == PUBLISHED:
        if epochs != schema["max_epoch"]["default"]:
            scheduler = train.get("lr_scheduler", schema["lr_scheduler"]["default"])
            defaults["train"] = _course_of_rate(scheduler, epochs)
        return defaults
    schedule = {
        "lr_scheduler": _SCHEDULER,
        **_course_of_rate(train.get("lr_scheduler", _SCHEDULER), epochs),
        "warmup_epochs": min(_WARMUP_SHARE * epochs, _MAX_WARMUP),
        "ema_epochs": min(_AVERAGED_SHARE * epochs, _MAX_AVERAGED),
    }
    chosen: dict[str, Any] = {"optimizer": _OPTIMIZER, "box_loss": _BOX_LOSS}
    # Those of another optimizer or loss are the schema's.
    if train.get("optimizer", _OPTIMIZER) == _OPTIMIZER:
        shape = network.get("backbone_shape") or defaults["network"].get("backbone_shape") or [_RATE_CHANNELS]
        chosen |= {"weight_decay": _WEIGHT_DECAY, "lr": min(_RATE * _RATE_CHANNELS / shape[-1], _MAX_RATE)}
    if train.get("box_loss") != PUBLISHED:
        chosen["box_weight"] = _BOX_WEIGHT
    defaults["train"] = {**chosen, **schedule, **_BATCH, **_START, **_AUGMENTATION}
    if not config.get("weights", {}).get("pretrained"):
        defaults["network"]["anchor_scales"] = "auto"
        if not train.get("resume_yolov3"):
            defaults["network"] |= _BATCH_NORM_FROM_SCRATCH
    return defaults


def _course_of_rate(scheduler: str, epochs: int) -> dict[str, Any]:
    """Return the setting by which a scheduler's learning rate falls within a number of epochs."""
    if scheduler == "cosine_annealing":
        return {"T_max": epochs}
    milestones = sorted({int(share * epochs) for share in _MILESTONE_SHARES} - {0})
    return {"lr_epochs": ",".join(map(str, milestones))}


def recipe_text(config: dict[str, Any]) -> str:
    """Return a line that names the values which recipe and network size choose, "" if they choose none.

    Args:
        config: what the user wrote; its own keys are not listed.
    """
    chosen = [
        f"{section}.{key} {value if isinstance(value, str) else json.dumps(value)}"
        for section, defaults in situation_defaults(config).items()
        for key, value in defaults.items()
        if key not in config.get(section, {})
    ]
    size = config.get("network", {}).get("size", "full")
    return f"recipe {recipe_of(config)} and network.size {size} choose {', '.join(chosen)}" if chosen else ""
