"""What a configuration needs of this host, looked at before anything long begins."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from yolov3.coco2014 import ARCHIVES, bytes_needed
from yolov3.errors import InputError
from yolov3.mslite_runtime import HOME_VARIABLE, home_of_user, inspect_runtime
from yolov3.network_settings import STRIDES
from yolov3.rank_table import select_devices

# What is looked at, beside the general keys: section of the config -> keys.
KEYS = {
    "data": ("provider", "data_dir"),
    "coco2014": ("keep_archives",),
    "network": ("backbone_shape",),
    "rank_table": ("device_num", "visible_devices"),
    "train": ("is_distributed", "group_size", "hosts", "loader_workers", "per_batch_size", "training_shape"),
    "eval": ("testing_shape",),
    "export": ("file_format", "keep_detect", "export_batch_size"),
    "bins": ("bins_dtype",),
    "quantize": ("quant_backend", "amct_python"),
    "infer": ("engine", "device", "device_id", "raw_maps"),
}
GIB = 2**30
CANN_VARIABLES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME")
CANN_SET_UP = ("/usr/local/Ascend/ascend-toolkit/set_env.sh", "/usr/local/Ascend/cann/set_env.sh")
# Found, not imported: that takes seconds, and a device.
FIND_AMCT = "import importlib.util, sys; sys.exit(importlib.util.find_spec('amct_mindspore') is None)"
PROGRAM_TIME_OUT = 60
PLUGIN_OF = {"Ascend": "libmindspore_ascend", "GPU": "libmindspore_gpu"}
COCO_CLASSES, COCO_VAL_IMAGES = 80, 40_504
# Rules of the workflow that run the network, those that deploy it, and all that need something of the host.
NETWORK_STAGES = frozenset({"train", "eval_coco", "export"})
NATIVE_STAGES = frozenset({"infer_310", "quant_infer_310"})
ALL_STAGES = NETWORK_STAGES | NATIVE_STAGES | {"download", "preprocess_bins", "convert_model", "post_quant"}
# Of the network of the paper, float32.
FULL_NETWORK_BYTES, FULL_TOP_CHANNELS = 248_007_048, 1024
# Weights in all that a run keeps: state with moments, result, backbone, three exports, converted and int8 models.
COPIES_OF_WEIGHTS = 10
LARGEST_TRAINING_SHAPE = 608
# Memory of a process with MindSpore and a compiled training step, besides six times its weights; of one that prepares
# batches; and on the CPU of an image of 416 px in the full network. Measured: 2.7 GiB with two images of 224 px, with
# six 3.25.
WORKER_BYTES, LOADER_BYTES, IMAGE_BYTES_416 = GIB, GIB // 2, 0.46 * GIB
COPIES_IN_MEMORY = 6
BATCHES_AHEAD = 4


@dataclass(frozen=True)
class PreflightSettings:
    """Most fields are the config's keys of the same names.

    Attributes:
        preflight: False looks at nothing.
        devices_here: the stages run on this host, not on a cluster's.
    """

    preflight: bool
    devices_here: bool
    device_target: str
    backbone_shape: tuple[int, ...]
    is_distributed: int
    group_size: int
    hosts: str
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


def values_of(config: dict[str, Any], devices_here: bool) -> dict[str, Any]:
    """Return the fields of `PreflightSettings` that a complete config has, by name.

    Args:
        config: as `config.complete_config` returns it.
        devices_here: whether the stages run on the host that asks.
    """
    values = {key: config[section][key] for section, keys in KEYS.items() for key in keys}
    return {**values, **{key: config[key] for key in ("preflight", "device_target")}, "devices_here": int(devices_here)}


def missing(
    settings: PreflightSettings,
    results_dir: Path,
    stages: frozenset[str] = ALL_STAGES,
    dev: Path = Path("/dev"),
) -> list[str]:
    """Return what is missing, a sentence each with what mends it; [] if nothing is.

    Args:
        settings: see `PreflightSettings`.
        results_dir: folder of all results; it need not exist.
        stages: rules that are going to run; what others need is not looked at.
        dev: folder of the device files.
    """
    if not settings.preflight:
        return []
    found = list(_disk(settings, results_dir, stages))
    found += _formats(settings, stages)
    if settings.devices_here:
        found += _devices(settings, stages, dev)
        if stages & NETWORK_STAGES:
            found += _back_end(settings)
        found += _tools(settings, stages)
        if "train" in stages:
            found += _memory(settings)
    return found


def _devices(settings: PreflightSettings, stages: frozenset[str], dev: Path) -> Iterator[str]:
    """Drivers and device files of training and deployment."""
    target = settings.device_target if stages & NETWORK_STAGES else ""
    local = _local_workers(settings) if "train" in stages else 1
    npus: set[int] = set()
    if target == "Ascend" and settings.is_distributed and "train" in stages:
        try:
            npus.update(select_devices(settings.device_num, settings.visible_devices))
        except InputError as error:
            yield f"the devices to train on are not right: {error}"
        if npus and len(npus) != local:
            yield (
                f"rank_table.device_num {settings.device_num} gives {len(npus)} devices of this host but "
                f"train.group_size asks for {local} of it: make them equal"
            )
    elif target == "Ascend":
        npus.add(0)
    is_int8_on_npu = settings.quant_backend == "amct" and "quant_infer_310" in stages
    if (settings.device == "ascend" and stages & NATIVE_STAGES) or is_int8_on_npu:
        npus.add(settings.device_id)
    if npus:
        if shutil.which("npu-smi") is None:
            yield "npu-smi is not found: install the NPU driver and firmware, or mount them into the container"
        if not any(os.environ.get(name) and Path(os.environ[name]).is_dir() for name in CANN_VARIABLES):
            yield f"CANN is not set up ({CANN_VARIABLES[0]} names no folder): {_set_up_advice()}"
    yield from _device_files(dev, "davinci", npus)
    if target == "GPU":
        if shutil.which("nvidia-smi") is None:
            yield "device_target is GPU but nvidia-smi is not found: install the NVIDIA driver, or change device_target"
        yield from _device_files(dev, "nvidia", set(range(local)))


def _back_end(settings: PreflightSettings) -> Iterator[str]:
    plugin = PLUGIN_OF.get(settings.device_target)
    if plugin and not _has_plugin(plugin):
        yield (
            f"device_target is {settings.device_target} but the MindSpore of this Python has no back end for it "
            f"({plugin}.so): install the build for it from mindspore.cn/install into this environment"
        )


def _tools(settings: PreflightSettings, stages: frozenset[str]) -> Iterator[str]:
    """Vendors' programs and libraries of the deployment."""
    if settings.engine == "lite" and settings.device == "ascend" and "infer_310" in stages:
        yield from _mindspore_lite()
    uses_amct = settings.quant_backend == "amct" and "post_quant" in stages
    compiles = uses_amct or (settings.engine == "acl" and "convert_model" in stages)
    if compiles and shutil.which("atc") is None:
        yield f"CANN's model compiler atc is not on PATH: {_set_up_advice()}"
    if uses_amct:
        yield from _amct(settings.amct_python)


def _amct(amct_python: str) -> Iterator[str]:
    python = shutil.which(amct_python)
    if python is None:
        yield (
            f"quantize.amct_python is {amct_python or 'empty'}, which is no program: make the environment "
            "envs/amct.yaml and give its Python, or change quantize.quant_backend"
        )
        return
    look = [python, "-c", FIND_AMCT]
    try:
        subprocess.run(look, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROGRAM_TIME_OUT, check=True)
    except (OSError, subprocess.SubprocessError):
        yield (
            f"quantize.amct_python {amct_python} does not run, or has no amct_mindspore: install the wheel of your "
            "CANN into its environment, as envs/amct.yaml says"
        )


def _formats(settings: PreflightSettings, stages: frozenset[str]) -> Iterator[str]:
    """Exports that cannot be made, or that a later stage would refuse after the training."""
    if settings.keep_detect and stages & NATIVE_STAGES:
        yield (
            "export.keep_detect is true but the native program decodes the raw maps itself: set it to false, or run "
            "`snakemake eval_coco export` only"
        )
    if settings.export_batch_size > 1 and settings.quant_backend == "mslite" and "post_quant" in stages:
        yield (
            f"export.export_batch_size is {settings.export_batch_size} but quantize.quant_backend mslite calibrates "
            "with single images: set it to 1, or choose qdq"
        )
    if "export" in stages and "AIR" in settings.file_format.split(",") and settings.device_target != "Ascend":
        yield (
            f"export.file_format has AIR, which needs an Ascend back end, but device_target is "
            f"{settings.device_target}: leave it out, or train on Ascend"
        )


def _set_up_advice() -> str:
    script = next((path for path in CANN_SET_UP if Path(path).is_file()), "")
    return f"run `source {script}`" if script else "install the CANN toolkit and source its set_env.sh"


def _device_files(dev: Path, name: str, numbers: set[int]) -> Iterator[str]:
    lacking = [str(dev / f"{name}{number}") for number in sorted(numbers) if not (dev / f"{name}{number}").exists()]
    if lacking:
        yield (
            f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not there: load the driver, pass the devices "
            "to the container, or ask for fewer"
        )


def _has_plugin(name: str) -> bool:
    """Look for a back end's library beside MindSpore, without importing it, which takes seconds."""
    spec = importlib.util.find_spec("mindspore")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return any(any(Path(folder, "lib", "plugin").glob(f"{name}*")) for folder in folders)


def _mindspore_lite() -> Iterator[str]:
    home = home_of_user()
    try:
        layout = inspect_runtime(Path(home)).layout if home else "none"
    except InputError as error:
        yield str(error)
        return
    if layout != "archive":
        yield (
            f"infer.device is ascend but {HOME_VARIABLE} names no MindSpore Lite for it (PyPI's runs on CPUs): unpack "
            f"the vendor's archive for Ascend and set {HOME_VARIABLE} to it"
        )


def _local_workers(settings: PreflightSettings) -> int:
    hosts = [host for host in settings.hosts.split(",") if host.strip()]
    return settings.group_size // max(len(hosts), 1) if settings.is_distributed else 1


def _weight_bytes(settings: PreflightSettings) -> int:
    return int(FULL_NETWORK_BYTES * (settings.backbone_shape[-1] / FULL_TOP_CHANNELS) ** 2)


def _disk(settings: PreflightSettings, results_dir: Path, stages: frozenset[str]) -> Iterator[str]:
    """Compare free space with need, in all for folders of one file system."""
    needs = []
    if "train" in stages:
        needs.append((results_dir, "checkpoints and models", COPIES_OF_WEIGHTS * _weight_bytes(settings)))
    # How much other data sets take is known when they are described; the stages then say it themselves.
    if settings.provider == "coco2014":
        needs += _coco2014_needs(settings, results_dir, stages)
    places: dict[int, tuple[Path, list[tuple[str, int]]]] = {}
    for folder, what, size in needs:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        places.setdefault(existing.stat().st_dev, (existing, []))[1].append((what, size))
    for existing, parts in places.values():
        free, needed = shutil.disk_usage(existing).free, sum(size for _, size in parts)
        if needed > free:
            listed = ", ".join(f"{what} {size / GIB:.1f}" for what, size in parts if size)
            yield (
                f"{existing} has {free / GIB:.1f} GiB free but {needed / GIB:.1f} are needed ({listed}): free some, "
                "move data.data_dir or the working directory to another disk, or set bins.bins_dtype to uint8"
            )


def _coco2014_needs(
    settings: PreflightSettings, results_dir: Path, stages: frozenset[str]
) -> Iterator[tuple[Path, str, int]]:
    """Yield (folder, what goes there, bytes)."""
    if "download" in stages:
        folder = Path(settings.data_dir) / "coco2014"
        lacking = [archive for archive in ARCHIVES if not (folder / archive.folder).is_dir()]
        yield folder, "data set", bytes_needed(folder, lacking, settings.keep_archives)
    if "preprocess_bins" in stages:
        value_bytes = 4 if settings.bins_dtype == "float32" else 1
        size = COCO_VAL_IMAGES * 3 * settings.testing_shape**2 * value_bytes
        yield results_dir, f"bins ({settings.bins_dtype})", size
    cells = sum((settings.testing_shape // stride) ** 2 for stride in STRIDES)
    raw_maps = COCO_VAL_IMAGES * cells * 3 * (5 + COCO_CLASSES) * 4
    for stage in sorted(NATIVE_STAGES & stages):
        if settings.raw_maps and not (results_dir / stage / "result_Files").is_dir():
            yield results_dir, f"result_Files of {stage}", raw_maps


def _memory(settings: PreflightSettings) -> Iterator[str]:
    workers, loaders = _local_workers(settings), settings.loader_workers
    shape = int(settings.training_shape or LARGEST_TRAINING_SHAPE)
    batches = (max(loaders, 1) + BATCHES_AHEAD) * settings.per_batch_size * 3 * shape**2
    worker: float = WORKER_BYTES + COPIES_IN_MEMORY * _weight_bytes(settings) + loaders * LOADER_BYTES + batches
    if settings.device_target == "CPU":
        width = settings.backbone_shape[-1] / FULL_TOP_CHANNELS
        worker += settings.per_batch_size * IMAGE_BYTES_416 * (shape / 416) ** 2 * width
    needed = workers * worker
    total = psutil.virtual_memory().total
    if needed > total:
        yield (
            f"this host has {total / GIB:.1f} GiB of memory but {workers} workers with {loaders} loaders each need "
            f"about {needed / GIB:.1f}: lower train.loader_workers, train.per_batch_size or train.group_size"
        )
