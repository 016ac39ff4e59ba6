# What all rules share: the checked configuration, and what identifies a result of a stage.
#
# A stage's command is a parameter of its rule. What Snakemake compares of it are the digest of the code that it runs, the
# settings that can change its result and the content of the user's files, not the words of the command line.

import sys
from pathlib import Path

WORKFLOW_DIR = Path(str(workflow.current_basedir)).parent
NATIVE_DIR = WORKFLOW_DIR.parent / "native310"
SCRIPTS = WORKFLOW_DIR / "scripts"
if not SCRIPTS.is_dir():
    raise WorkflowError(
        f"the workflow is used from {WORKFLOW_DIR}, which is no folder of this host: clone the repository and name the "
        "clone's workflow/Snakefile"
    )
sys.path.insert(0, str(WORKFLOW_DIR / "lib"))

from yolov3.config.config import complete_config, network_input
from yolov3.config.identity import stage_command, tracked_contents, tracked_values
from yolov3.config.options import option_words
from yolov3.config.plan import Plan
from yolov3.config.sources import files_digest, prefer_this_python
from yolov3.errors import InputError
from yolov3.process import available_cpus

prefer_this_python()

try:
    config = complete_config(config)
except InputError as error:
    raise WorkflowError(str(error))

PLAN = Plan.of(config)
EXPORTED = config["export"]["file_name"]
# How images are fitted into the network, alike in all stages: bins are made without a checkpoint that could say it.
config["eval"] |= network_input(config)
# Stages whose time the report shows, with whether they take part.
TIMED_STAGES = {}


def section(name, *keys):
    """A section of the configuration, all keys or those named, as options of a stage."""
    return name, {key: value for key, value in config[name].items() if not keys or key in keys}


NETWORK_INPUT = section("eval", "testing_shape", "letterbox")


def top_level(*keys):
    """Keys outside of sections, as options of a stage."""
    return "", {key: config[key] for key in keys}


def command(name, *sections, more="", without=()):
    """A stage's program with its options; `more` are words that identify no result."""
    # Only the download checks a data set: all others get its manifest.
    checks = () if name == "download" else ("yolov3.data.checks",)
    return lambda wildcards: stage_command(SCRIPTS / f"{name}.py", (*checks, *without), sections, more)


def contents_of(name, key):
    """The content of a file of the user, for a stage that takes it by an option of another name."""
    return lambda wildcards: repr(tracked_contents(name, {key: config[name][key]}))


def native_code(*patterns):
    """The digest of source files of the native program."""
    return lambda wildcards: files_digest(path for pattern in patterns for path in NATIVE_DIR.glob(pattern))


def file_option(name, file):
    """An option that names an input file, empty where there is none."""
    return option_words({name: file}) if file else ""


def timed(stage, takes_part=True):
    """The file with the time and memory that a stage took."""
    TIMED_STAGES[stage] = takes_part
    return f"results/benchmarks/{stage}.tsv"


def threads_of(on_cluster):
    """Threads of a stage that uses all that it gets: those there are, more only slow it down; on a cluster as many as given."""
    return lambda wildcards: (
        min(workflow.resource_settings.cores or sys.maxsize, available_cpus()) if workflow.local_exec else on_cluster
    )


def all_threads(on_cluster):
    """Threads of a stage that is timed: all that are given, also beyond those that there are, so that it runs alone."""
    return lambda wildcards: (
        (workflow.resource_settings.cores or available_cpus()) if workflow.local_exec else on_cluster
    )


def devices(target, count=1):
    """What a stage asks a cluster for: GPUs, or NPUs under the name that Slurm's administrators give them in gres.conf."""
    return {"GPU": {"gpu": count}, "Ascend": {"gres": f"npu:{count}"}}.get(target, {})


def training_devices():
    """What the training asks of a cluster: of its job's host its share where further hosts are named, which are not the job's.

    With host_launcher slurm, a job over several hosts, `--set-resources train:nodes=2`: NPUs are asked for on each of them.
    """
    hosts = len(config["train"]["hosts"].split(",")) if config["train"]["hosts"] else 1
    nodes = workflow.resource_settings.overwrite_resources.get("train", {}).get("nodes")
    if nodes and config["train"]["host_launcher"] == "slurm" and config["device_target"] == "Ascend":
        hosts = nodes.value
    return devices(config["device_target"], config["train"]["group_size"] // hosts)


def declared_folder(path):
    """A folder as output of a rule; where results are kept in a storage (Kubernetes), it stays beside them, undeclared."""
    return [] if workflow.storage_settings.default_storage_provider else directory(path)


def present(folder):
    """A folder as input that only has to be there."""
    return ancient(folder) if folder else []


def described(model):
    """A model with its description, as the inputs or outputs of a rule."""
    return {"model": model, "description": f"{model}.json"}


def exported(suffix, user):
    """An exported model as inputs of a rule; a format that the config leaves out is told in one sentence."""

    def files(wildcards):
        if suffix not in PLAN.formats:
            raise WorkflowError(
                f"config key export.file_format is {config['export']['file_format']} but {user} needs "
                f"{suffix.upper()}: add it"
            )
        return described(f"results/export/{EXPORTED}.{suffix}")

    return files


def linked_images(split):
    """The link to a split's images, whose absence calls for another download; the user's own images are left alone."""
    return [] if PLAN.provider == "custom" else declared_folder(f"results/data/{split}/images")


def download_command(split):
    """The program for one split, with what of the provider's settings decides it."""
    other = "val_" if split == "train" else "train_"
    keys = [key for key in config[PLAN.provider] if not key.startswith(other)]
    # The results name a data set in data_dir by links, so it can be moved.
    links = "" if PLAN.provider == "custom" else "--links_dir results/data"
    return command("download", section("data"), section(PLAN.provider, *keys), more=f"--split {split} {links}")


def native_model(wildcards):
    """What the native program runs: the export as it is, or converted for its engine."""
    if PLAN.converts_model:
        return described(f"results/native_model/{EXPORTED}.{PLAN.float_suffix}")
    return exported(PLAN.float_source, f"infer.engine {PLAN.engine}")(wildcards)


def raw_maps(stage):
    """The folder of raw outputs, where they are wanted."""
    return declared_folder(f"results/{stage}/result_Files") if config["infer"]["raw_maps"] else []
