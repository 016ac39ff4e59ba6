"""Check that this host has what a configuration needs, before any long stage starts."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from yolov3.config.engines import AUTO
from yolov3.distributed.rank_table import select_devices
from yolov3.errors import InputError
from yolov3.native.build import CANN_VARIABLES
from yolov3.native.mslite_runtime import HOME_VARIABLE, home_of_user, inspect_runtime
from yolov3.native.training_kernels import REMEDY, is_possible_here
from yolov3.preflight.resources import missing_disk, missing_memory
from yolov3.preflight.settings import ALL_STAGES, NATIVE_STAGES, NETWORK_STAGES, PreflightSettings

CANN_SET_UP = ("/usr/local/Ascend/ascend-toolkit/set_env.sh", "/usr/local/Ascend/cann/set_env.sh")
# Only located, because importing it takes seconds and needs a device.
FIND_AMCT = "import importlib.util, sys; sys.exit(importlib.util.find_spec('amct_mindspore') is None)"
PROGRAM_TIME_OUT = 60
PLUGIN_OF = {"Ascend": "libmindspore_ascend", "GPU": "libmindspore_gpu"}


def missing_requirements(
    settings: PreflightSettings, results_dir: Path, stages: frozenset[str] = ALL_STAGES, dev: Path = Path("/dev")
) -> list[str]:
    """Return a sentence with advice for each missing requirement; [] if nothing is missing.

    Args:
        results_dir: folder of all results; it need not exist.
        stages: rules that are going to run; requirements of other rules are not checked.
        dev: folder of the device files.
    """
    if not settings.preflight:
        return []
    problems = list(missing_disk(settings, results_dir, stages))
    problems += _check_formats(settings, stages)
    if "train" in stages and settings.is_distributed and settings.group_size % max(settings.host_count, 1):
        problems.append(
            f"train.group_size is {settings.group_size} but the training has {settings.host_count} hosts: set it to a "
            f"multiple of {settings.host_count}"
        )
    if settings.devices_here:
        if settings.cpu_kernels == "onednn" and "train" in stages and not is_possible_here():
            problems.append(f"train.cpu_kernels onednn needs an x86_64 processor with AVX2: {REMEDY}")
        problems += _check_devices(settings, stages, dev)
        problems += _check_tools(settings, stages)
        if "train" in stages:
            problems += missing_memory(settings)
    return problems


def _check_devices(settings: PreflightSettings, stages: frozenset[str], dev: Path) -> Iterator[str]:
    """Check drivers, device files and MindSpore's back end for training and deployment."""
    target = settings.device_target if stages & NETWORK_STAGES else ""
    local = settings.local_ranks if "train" in stages else 1
    npus: set[int] = set()
    if target == "Ascend" and settings.is_distributed and "train" in stages:
        try:
            npus.update(select_devices(settings.device_num, settings.visible_devices))
        except InputError as error:
            yield f"the devices to train on are not valid: {error}"
        if npus and len(npus) != local:
            yield (
                f"rank_table.device_num {settings.device_num} gives {len(npus)} devices of this host but "
                f"train.group_size needs {local}: make them equal"
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
    plugin = PLUGIN_OF.get(target)
    if plugin and not _has_plugin(plugin):
        yield (
            f"device_target is {target} but the MindSpore of this Python has no back end for it ({plugin}.so): install "
            "the build for it from mindspore.cn/install into this environment"
        )


def _check_tools(settings: PreflightSettings, stages: frozenset[str]) -> Iterator[str]:
    """Check the vendors' programs and libraries for deployment."""
    if settings.engine == "lite" and settings.device == "ascend" and "infer_310" in stages:
        yield from _check_mindspore_lite()
    uses_amct = settings.quant_backend == "amct" and "post_quant" in stages
    compiles = uses_amct or (settings.engine == "acl" and "convert_model" in stages)
    if compiles and shutil.which("atc") is None:
        yield f"CANN's model compiler atc is not on PATH: {_set_up_advice()}"
    if uses_amct:
        yield from _check_amct(settings.amct_python)


def _check_amct(amct_python: str) -> Iterator[str]:
    python = shutil.which(amct_python)
    if python is None:
        yield (
            f"quantize.amct_python is {amct_python or 'empty'}, which is not a program: create the environment "
            "envs/amct.yaml and give its Python, or change quantize.quant_backend"
        )
        return
    command = [python, "-c", FIND_AMCT]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PROGRAM_TIME_OUT, check=True)
    except (OSError, subprocess.SubprocessError):
        yield (
            f"quantize.amct_python {amct_python} does not run, or has no amct_mindspore: install the wheel of your "
            "CANN into its environment, as envs/amct.yaml says"
        )


def _check_formats(settings: PreflightSettings, stages: frozenset[str]) -> Iterator[str]:
    """Check for exports that are impossible, or that a later stage would refuse after the training."""
    if settings.keep_detect and stages & NATIVE_STAGES:
        yield (
            "export.keep_detect is true but the native program decodes the raw maps itself: set it to false, or run "
            "`snakemake eval_coco export` only"
        )
    if settings.export_batch_size > 1 and settings.quant_backend in ("mslite", AUTO) and "post_quant" in stages:
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
    files = [dev / f"{name}{number}" for number in sorted(numbers)]
    missing_files = [str(file) for file in files if not file.exists()]
    if missing_files:
        yield (
            f"{', '.join(missing_files)} {'is' if len(missing_files) == 1 else 'are'} missing: load the driver, pass "
            "the devices to the container, or use fewer"
        )


def _has_plugin(name: str) -> bool:
    """Return whether MindSpore has a back end's library, without importing MindSpore, which takes seconds."""
    spec = importlib.util.find_spec("mindspore")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return any(any(Path(folder, "lib", "plugin").glob(f"{name}*")) for folder in folders)


def _check_mindspore_lite() -> Iterator[str]:
    home = home_of_user()
    try:
        layout = inspect_runtime(Path(home)).layout if home else "none"
    except InputError as error:
        yield str(error)
        return
    if layout != "archive":
        yield (
            f"infer.device is ascend but {HOME_VARIABLE} is no MindSpore Lite for Ascend (PyPI's runs on CPUs): unpack "
            f"the vendor's archive for Ascend and set {HOME_VARIABLE} to it"
        )
