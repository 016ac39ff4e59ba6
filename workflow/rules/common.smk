# What all rules share: the checked configuration, and what identifies a result of a stage.
#
# A rule is rerun when one of its `params` changes: the digest of the code that it runs, the settings that can change its
# result, and the content of the user's files. What only says where and how it runs is in `params` that are functions of
# the job's files, which Snakemake does not compare.

import shlex
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
from yolov3.config.identity import tracked_contents, tracked_values, untracked_values
from yolov3.config.options import option_words
from yolov3.config.plan import Plan
from yolov3.config.sources import code_digest, files_digest, prefer_this_python
from yolov3.errors import InputError
from yolov3.process import available_cpus

prefer_this_python()

try:
    config = complete_config(config)
except InputError as error:
    raise WorkflowError(str(error))

PLAN = Plan.of(config)
EXPORTED = config["export"]["file_name"]
# Options of each section that are passed on but identify no result.
UNTRACKED = {
    section: option_words(untracked_values(section, values))
    for section, values in config.items()
    if isinstance(values, dict)
}
# How images are fitted into the network, alike in all stages: bins are made without a checkpoint that could say it.
NETWORK_INPUT = network_input(config)
config["eval"] |= NETWORK_INPUT
# Stages whose time the report shows, with whether they take part.
TIMED_STAGES = {}


def command(name, *untracked_options):
    """A stage's program with options that identify no result."""
    words = " ".join(["python", shlex.quote(str(SCRIPTS / f"{name}.py")), *untracked_options])
    return lambda wildcards, output: words


def code(name, without=()):
    """The digest of a stage's program and of what it imports."""
    # Only the download checks a data set: all others get its manifest.
    checks = () if name == "download" else ("yolov3.data.checks",)
    return lambda wildcards: code_digest(SCRIPTS / f"{name}.py", (*checks, *without))


def native_code(*patterns):
    """The digest of source files of the native program."""
    return lambda wildcards: files_digest(path for pattern in patterns for path in NATIVE_DIR.glob(pattern))


def options_of(section, *keys):
    """Tracked options of a section, all or those named, as words of a command line."""
    values = {key: value for key, value in config[section].items() if not keys or key in keys}
    return lambda wildcards: option_words(tracked_values(section, values))


def top_level_options(*names):
    """Tracked options outside of sections, as words of a command line."""
    return lambda wildcards: option_words(tracked_values("", {name: config[name] for name in names}))


def contents_of(section, *keys):
    """The content of the user's files that a section names, in all keys or those given."""
    values = {key: value for key, value in config[section].items() if not keys or key in keys}
    return lambda wildcards: repr(tracked_contents(section, values))


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
