"""Settings of a configuration that determine what a host needs."""

from dataclasses import dataclass
from typing import Any

from yolov3.config.config import network_input
from yolov3.distributed.hosts import read_hosts, slurm_nodes

# Section of the config -> keys that are checked, besides the top-level ones.
KEYS = {
    "data": ("provider", "data_dir"),
    "coco2014": ("keep_archives",),
    "network": ("backbone_shape",),
    "rank_table": ("device_num", "visible_devices"),
    "train": (
        "is_distributed",
        "group_size",
        "hosts",
        "host_launcher",
        "loader_workers",
        "per_batch_size",
        "training_shape",
    ),
    "eval": ("testing_shape",),
    "export": ("file_format", "keep_detect", "export_batch_size"),
    "bins": ("bins_dtype",),
    "quantize": ("quant_backend", "amct_python"),
    "infer": ("engine", "device", "device_id", "raw_maps"),
}
# Rules that run the network in MindSpore, that run the native program, that download, and all with requirements.
NETWORK_STAGES = frozenset({"train", "eval_coco", "export"})
NATIVE_STAGES = frozenset({"infer_310", "quant_infer_310"})
DOWNLOADS = frozenset({"download_train", "download_val"})
ALL_STAGES = NETWORK_STAGES | NATIVE_STAGES | DOWNLOADS | {"preprocess_bins", "convert_model", "post_quant"}


@dataclass(frozen=True)
class PreflightSettings:
    """What to check; the other fields are the config's keys of the same names.

    Attributes:
        preflight: False skips all checks.
        devices_here: whether the stages run on this host rather than on a cluster.
    """

    preflight: bool
    devices_here: bool
    device_target: str
    backbone_shape: tuple[int, ...]
    is_distributed: int
    group_size: int
    hosts: str
    host_launcher: str
    loader_workers: int
    per_batch_size: int
    training_shape: str | int
    device_num: str
    visible_devices: str
    provider: str
    data_dir: str
    keep_archives: bool
    testing_shape: int
    bins_dtype: str
    file_format: str
    keep_detect: bool
    export_batch_size: int
    engine: str
    device: str
    device_id: int
    raw_maps: bool
    quant_backend: str
    amct_python: str

    @property
    def local_ranks(self) -> int:
        """Number of training processes on this host."""
        if not self.is_distributed:
            return 1
        hosts = slurm_nodes() if self.host_launcher == "slurm" else len(read_hosts(self.hosts))
        return self.group_size // max(hosts, 1)


def values_of(config: dict[str, Any], devices_here: bool) -> dict[str, Any]:
    """Return the values of a config for the fields of `PreflightSettings`, by name.

    Args:
        config: complete config, as `config.complete_config` returns it.
        devices_here: whether the stages run on this host.
    """
    values = {key: config[section][key] for section, keys in KEYS.items() for key in keys}
    values["testing_shape"] = network_input(config)["testing_shape"]
    return {**values, **{key: config[key] for key in ("preflight", "device_target")}, "devices_here": int(devices_here)}
