# What all rules share: the checked configuration, the stages' programs, and the words of their command lines.

import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "workflow" / "lib"))

from snakemake.io import sourcecache_entry

from yolov3.config.config import DEVICE_OF_ENGINE, complete_config
from yolov3.process import available_cpus
from yolov3.errors import InputError
from yolov3.native.mslite_runtime import home_of_user
from yolov3.native.build import cann_of_user
from yolov3.config.options import option_words
from yolov3.config.python_path import prefer_this_python
from yolov3.config.sources import python_sources

prefer_this_python()

try:
    config = complete_config(config)
except InputError as error:
    raise WorkflowError(str(error))


def unmanaged(path):
    """A file of the sources or the user's: where results are kept in a storage (Kubernetes), it is not looked for there."""
    return sourcecache_entry(str(path), str(path)) if workflow.storage_settings.default_storage_provider else str(path)


def script(name):
    """The program of a stage."""
    return unmanaged(ROOT / "workflow" / "scripts" / f"{name}.py")


def module_files(name, without=()):
    """The modules that a stage's program imports: an edit to one of them reruns the stage."""
    # The workflow gives every stage a manifest, so none describes a bare folder.
    without = ("yolov3.data.options", *without)
    return [unmanaged(path) for path in python_sources(Path(script(name)), without)]


def section_options(*sections, **more):
    """Sections of the configuration, then single options, as the words of a command line."""
    values = {key: value for section in sections for key, value in config[section].items()}
    return option_words({**values, **more})


def top_level_options(*names):
    """Keys outside of sections, as the words of a command line."""
    return option_words({name: config[name] for name in names})


def own_threads():
    """Threads of a stage that uses all that it gets, but no more than there are: more only slow it down."""
    return min(workflow.resource_settings.cores or sys.maxsize, available_cpus())


def all_threads():
    """Threads of a stage that is timed: all that are given, also beyond those that there are, so that it runs alone."""
    return workflow.resource_settings.cores or available_cpus()


def training_devices():
    """What the training asks of a cluster: of its job's host its share where further hosts are named, which are not the job's.

    With host_launcher slurm, a job over several hosts, `--set-resources train:nodes=2`: NPUs are asked for on each of them.
    """
    hosts = len(config["train"]["hosts"].split(",")) if config["train"]["hosts"] else 1
    nodes = workflow.resource_settings.overwrite_resources.get("train", {}).get("nodes")
    if nodes and config["train"]["host_launcher"] == "slurm" and config["device_target"] == "Ascend":
        hosts = nodes.value
    return devices(config["device_target"], config["train"]["group_size"] // hosts)


def devices(target, count=1):
    """What a stage asks a cluster for: GPUs, or NPUs under the name that Slurm's administrators give them in gres.conf."""
    return {"GPU": {"gpu": count}, "Ascend": {"gres": f"npu:{count}"}}.get(target, {})


def network_input():
    """How images are fitted into the network, as evaluation does."""
    return {key: config["eval"][key] for key in ("testing_shape", "letterbox")}


def native_thresholds():
    """What of the evaluation's settings the native program takes over."""
    return {key: config["eval"][key] for key in ("eval_ignore_threshold", "nms_thresh", "max_detections")}


def described(model):
    """A model with its description, as the inputs or outputs of a rule."""
    return {"model": model, "description": f"{model}.json"}


def exported(suffix, user):
    """An exported model as inputs of a rule; a format that the config leaves out is told in one sentence."""

    def files(wildcards):
        if suffix.upper() not in FORMATS:
            raise WorkflowError(
                f"config key export.file_format is {config['export']['file_format']} but {user} needs "
                f"{suffix.upper()}: add it"
            )
        return described(f"results/export/{EXPORTED}.{suffix}")

    return files


def native_model(wildcards):
    """What the native program runs; OpenVINO runs the export as it is."""
    if ENGINE in SUFFIX_OF:
        return described(f"results/native_model/{EXPORTED}.{SUFFIX_OF[ENGINE]}")
    return FLOAT_MODEL(wildcards)
