"""Keys of section `train` that have no effect beside others."""

from typing import Any

# By key: the other key, and the value of it with which the key counts.
COUNTS_WITH = {
    "nesterov": ("optimizer", "momentum"),
    "lr_epochs": ("lr_scheduler", "exponential"),
    "lr_gamma": ("lr_scheduler", "exponential"),
    "T_max": ("lr_scheduler", "cosine_annealing"),
    "eta_min": ("lr_scheduler", "cosine_annealing"),
    "eta_min_share": ("lr_scheduler", "cosine_annealing"),
}


def unused_keys(written: dict[str, Any], train: dict[str, Any]) -> list[str]:
    """Return a sentence for each key that the user wrote although it has no effect.

    Args:
        written: section `train` as the user wrote it.
        train: the complete section.
    """
    sentences = [
        f"config key train.{key} has no effect, because train.{other} is {train[other]}: remove it, or set {other} to "
        f"{value}"
        for key, (other, value) in COUNTS_WITH.items()
        if written.get(key) and train[other] != value
    ]
    if written.get("plain_epochs") and not (train["mosaic"] or train["mixup"]):
        sentences.append("config key train.plain_epochs has no effect without train.mosaic or train.mixup: set one")
    return sentences
