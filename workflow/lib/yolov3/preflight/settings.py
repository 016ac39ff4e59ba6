"""Settings of a configuration that determine what a host needs."""

from dataclasses import dataclass, fields
from typing import Any

from yolov3.config.config import network_input
from yolov3.distributed.hosts import read_hosts, slurm_nodes

# Rules that run the network in MindSpore, that run the native program, that download, and all with requirements.
NETWORK_STAGES = frozenset({"train", "eval_coco", "eval_export", "export"})
NATIVE_STAGES = frozenset({"infer_310", "quant_infer_310"})
DOWNLOADS = frozenset({"download_train", "download_val"})
ALL_STAGES = NETWORK_STAGES | NATIVE_STAGES | DOWNLOADS | {"preprocess_bins", "convert_model", "post_quant"}


@dataclass(frozen=True)
class PreflightSettings:
    """What to check; the other fields are the config's keys of the same names, each of one section.

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
    cpu_kernels: str
    hosts: str
    host_launcher: str
    loader_workers: int
    per_batch_size: int
    accumulation: int
    loss_scaler: str
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
        return self.group_size // max(self.host_count, 1) if self.is_distributed else 1

    @property
    def host_count(self) -> int:
        """Number of hosts of a distributed training, 0 if only this one is known."""
        return slurm_nodes() if self.host_launcher == "slurm" else len(read_hosts(self.hosts))


def values_of(config: dict[str, Any], devices_here: bool) -> dict[str, Any]:
    """Return the values of a config, as `complete_config` returns it, for the fields of `PreflightSettings` by name."""
    values = dict(config)
    for section in config.values():
        values |= section if isinstance(section, dict) else {}
    # The sections of both COCO data sets have the same keys.
    values |= config.get(config["data"]["provider"], {})
    values |= {"testing_shape": network_input(config)["testing_shape"], "devices_here": int(devices_here)}
    return {field.name: values[field.name] for field in fields(PreflightSettings)}
