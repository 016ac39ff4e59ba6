"""Checks of section `train` across its fields, also for the program of the stage."""

from typing import Any

from yolov3.errors import InputError


def require_consistent_training(train: dict[str, Any], has_weights: bool) -> None:
    """Check that the fields of section `train` fit together.

    Args:
        train: complete section.
        has_weights: whether the training starts from weights, of the backbone at least.

    Raises:
        InputError: two do not; the message names both and what to set.
    """

    def refuse_if(name: str, reason: str, is_refused: bool) -> None:
        refuse({"train": train}, f"train.{name}", reason, is_refused)

    def limit(smaller: str, larger: str) -> None:
        refuse_if(smaller, f"must not exceed train.{larger}, which is {train[larger]}", train[smaller] > train[larger])

    limit("scale_min", "scale_max")
    limit("warmup_epochs", "max_epoch")
    limit("eval_interval", "max_epoch")
    limit("eta_min", "lr")
    limit("warmup_momentum", "momentum")
    if not train["warmup_epochs"]:
        for key in ("warmup_bias_lr", "warmup_momentum"):
            refuse_if(key, "train.warmup_epochs is 0: set it, so that there is a warm-up", train[key] > 0)
    if train["optimizer"] == "adamw":
        refuse_if("warmup_momentum", "train.optimizer is adamw: use momentum", train["warmup_momentum"] > 0)
    elif train["nesterov"]:
        refuse_if("momentum", "train.nesterov is 1, which needs a momentum: set one of them", train["momentum"] == 0)
    if not train["eval_interval"]:
        remedy = "set it, so that there is a validation AP"
        refuse_if("patience", f"train.eval_interval is 0: {remedy}", train["patience"] > 0)
    remedy = "set backbone.source or train.resume_yolov3, so that there are weights to keep"
    is_refused = train["freeze_backbone"] == 1 and not has_weights
    refuse_if("freeze_backbone", f"the training starts from random weights: {remedy}", is_refused)
    remedy = "must be a checkpoint of this project: convert Darknet's weights first, as docs/weights.md says"
    refuse_if("resume_yolov3", remedy, train["resume_yolov3"].endswith(".weights"))
    remedy = f"must be less than train.max_epoch, which is {train['max_epoch']}"
    refuse_if("plain_epochs", remedy, train["plain_epochs"] >= train["max_epoch"])
    remedy = "train.amp_level is O0, in which gradients do not overflow: set amp_level to O2 or auto, or this to static"
    refuse_if("loss_scaler", remedy, train["loss_scaler"] == "dynamic" and train["amp_level"] == "O0")
    if train["cpu_kernels"] == "onednn":
        for key, value in (("amp_level", "O0"), ("sync_batch_norm", 0)):
            refuse_if("cpu_kernels", f"train.{key} is {train[key]}: set it to {value}", train[key] != value)
    if train["lr_scheduler"] == "exponential":
        milestones = [int(epoch) for epoch in train["lr_epochs"].split(",") if epoch]
        is_ascending = milestones == sorted(set(milestones)) and max(milestones, default=0) < train["max_epoch"]
        rule = f"must be in ascending order and below train.max_epoch, which is {train['max_epoch']}"
        refuse_if("lr_epochs", rule, not is_ascending)
    if not train["is_distributed"]:
        refuse_if("group_size", "train.is_distributed is 0: set it to 1", train["group_size"] > 1)
        refuse_if("hosts", "train.is_distributed is 0: set it to 1", bool(train["hosts"]))
    hosts = len(train["hosts"].split(","))
    remedy = f"must be divisible by the number of hosts in train.hosts, which is {hosts}"
    refuse_if("group_size", remedy, train["group_size"] % hosts != 0)


def refuse(config: dict[str, Any], key: str, reason: str, is_refused: bool) -> None:
    """Raise InputError that `key`, of the form section.name, has a value that does not fit, if that is so."""
    section, name = key.split(".")
    value = config[section][name]
    if is_refused:
        raise InputError(f"config key {key} is {value if value != '' else 'empty'} but {reason}")
