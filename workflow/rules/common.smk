# Shared by all rules: the validated configuration, and helpers for `params`, `input` and `resources`.
#
# The command of a stage is a parameter of its rule. Snakemake does not compare its text but its identity: the digest of
# the code, the settings that can change the result, and the content of the user's files.

import sys
from pathlib import Path

WORKFLOW_DIR = Path(str(workflow.current_basedir)).parent
NATIVE_DIR = WORKFLOW_DIR.parent / "native310"
SCRIPTS = WORKFLOW_DIR / "scripts"
if not SCRIPTS.is_dir():
    raise WorkflowError(
        f"the workflow is loaded from {WORKFLOW_DIR}, which is not a local folder: clone the repository and use "
        "workflow/Snakefile of the clone"
    )
if set("{}") & set(str(WORKFLOW_DIR)):
    raise WorkflowError(f"the path {WORKFLOW_DIR} has braces, which Snakemake takes for wildcards: move the project")
sys.path.insert(0, str(WORKFLOW_DIR / "lib"))

from yolov3.config.config import complete_config, network_input, refuse_double_keys, typed_values
from yolov3.config.engines import AUTO
from yolov3.config.identity import stage_command, tracked_contents, tracked_values
from yolov3.config.options import option_words
from yolov3.config.plan import Plan
from yolov3.config.recipe import recipe_text
from yolov3.config.sources import files_digest, prefer_this_python
from yolov3.config.unused import unused_keys
from yolov3.data.custom.content import split_content
from yolov3.data.custom.places import is_converted
from yolov3.errors import InputError
from yolov3.process import available_cpus
from yolov3.report.run_folders import runs_content

prefer_this_python()

try:
    for file in workflow.configfiles:
        refuse_double_keys(file)
    config, WRITTEN_CONFIG = complete_config(config), typed_values(config)
except InputError as error:
    raise WorkflowError(str(error))

PLAN = Plan.of(config)
RECIPE_TEXT = recipe_text(WRITTEN_CONFIG)
UNUSED_KEYS = unused_keys(WRITTEN_CONFIG.get("train", {}), config["train"])
EXPORTED = config["export"]["file_name"]
# Resolved here because preprocess_bins has no checkpoint to read input size and letterbox from.
config["eval"] |= network_input(config)
# Stages whose time the report shows, and whether each takes part in this run.
TIMED_STAGES = {}


def section(name, *keys):
    """Return a section of the config (all keys, or those given) as options for `command`."""
    return name, {key: value for key, value in config[name].items() if not keys or key in keys}


NETWORK_INPUT = section("eval", "testing_shape", "letterbox")


def top_level(*keys):
    """Return top-level keys of the config as options for `command`."""
    return "", {key: config[key] for key in keys}


def command(name, *sections, more="", without=(), content=lambda: ""):
    """Return the command of a stage.

    Options in `more` and modules in `without` are not part of its identity; what `content` returns is.
    """
    # Only `download` checks the data set; the other stages read its manifest.
    checks = () if name == "download" else ("yolov3.data.checks",)
    return lambda wildcards: stage_command(SCRIPTS / f"{name}.py", (*checks, *without), sections, more, content())


def contents_of(name, key):
    """Return the digest of a file that the user names in a config key."""
    return lambda wildcards: repr(tracked_contents(name, {key: config[name][key]}))


def compared_content():
    """Return the digest of the results of the runs that are compared; if they cannot be, the stage says why."""
    try:
        return runs_content(config["compare"]["runs"])
    except InputError:
        return ""


def native_code(*patterns, folder=NATIVE_DIR):
    """Return the digest of C++ source files in a folder, by default the native program's, given as glob patterns."""
    return lambda wildcards: files_digest(path for pattern in patterns for path in folder.glob(pattern))


def file_option(name, file):
    """Return the option that names an input file, empty if there is none."""
    return option_words({name: file}) if file else ""


def bins_option(wildcards, input):
    """Return the option that names the folder of a rule's bins, empty if it reads JPEG files."""
    return file_option("bins", str(Path(input.bins).parent) if input.bins else "")


def timed(stage, takes_part=True):
    """Register a stage for the report and return its benchmark file."""
    TIMED_STAGES[stage] = takes_part
    return f"results/benchmarks/{stage}.tsv"


def threads_of(on_cluster):
    """Return the threads of a stage: `on_cluster` in a cluster job, else --cores, but no more than there are CPUs."""
    return lambda wildcards: (
        min(workflow.resource_settings.cores or sys.maxsize, available_cpus()) if workflow.local_exec else on_cluster
    )


def all_threads(on_cluster):
    """Return the threads of a stage that must run alone because it is timed: all of --cores, or `on_cluster`."""
    return lambda wildcards: (
        (workflow.resource_settings.cores or available_cpus()) if workflow.local_exec else on_cluster
    )


def devices(target, count=1):
    """Return the cluster resources for `count` devices: GPUs, or NPUs under their usual name in Slurm's gres.conf."""
    return {"GPU": {"gpu": count}, "Ascend": {"gres": f"npu:{count}"}}.get(target, {})


def training_devices():
    """Return the cluster resources of the training: one host's share of the devices if train.hosts names several.

    With host_launcher slurm and `--set-resources train:nodes=2`, NPUs (gres) are requested per node.
    """
    hosts = len(config["train"]["hosts"].split(",")) if config["train"]["hosts"] else 1
    nodes = workflow.resource_settings.overwrite_resources.get("train", {}).get("nodes")
    if nodes and config["train"]["host_launcher"] == "slurm" and config["device_target"] == "Ascend":
        hosts = nodes.value
    return devices(config["device_target"], config["train"]["group_size"] // hosts)


def declared_folder(path):
    """Return a folder as an output of a rule; with a storage provider (Kubernetes) folders are not declared."""
    return [] if workflow.storage_settings.default_storage_provider else directory(path)


def present(place):
    """Return a file or folder as an input that only has to exist."""
    # A copy, because `ancient` would mark the output itself, and with it the inputs of all rules that use it.
    return ancient(str(place)) if isinstance(place, str) else ancient(place) if place else []


def described(model):
    """Return a model and its description as inputs or outputs of a rule."""
    return {"model": model, "description": f"{model}.json"}


def exported(suffix, user):
    """Return an input function for an exported model and its description; `user` names the setting that needs it."""

    def files(wildcards):
        if suffix not in PLAN.formats:
            raise WorkflowError(
                f"config key export.file_format is {config['export']['file_format']} but {user} needs "
                f"{suffix.upper()}: add it"
            )
        return described(f"results/export/{EXPORTED}.{suffix}")

    return files


def split_data(split):
    """Return the link to the images of a split, or its converted annotations, as an output; files in place are not."""
    if PLAN.provider != "custom":
        return declared_folder(f"results/data/{split}/images")
    return f"results/data/{split}/annotations.json" if is_converted(config["custom"], split) else []


def download_command(split):
    """Return the command for one split, without the settings of the other split."""
    own, other = ("train_", "val_") if split == "train" else ("val_", "train_")
    values = config[PLAN.provider]
    # Those that both splits have; val_share concerns both.
    of_other = {key for key in values if key.startswith(other) and own + key.removeprefix(other) in values}
    keys = [key for key in values if key not in of_other]
    # Manifests refer to data_dir through links, so that data_dir can be moved.
    place = "--converted_dir" if PLAN.provider == "custom" else "--links_dir"
    # Which images become validation images depends on the seed.
    seed = top_level("seed") if PLAN.provider == "custom" and config["custom"]["val_share"] else top_level()
    return command(
        "download",
        *(seed, section("data"), section(PLAN.provider, *keys)),
        more=f"--split {split} {place} results/data",
        content=lambda: split_content(config["custom"], split) if PLAN.provider == "custom" else "",
    )


def native_model(wildcards):
    """Return the float model that the native program runs; OpenVINO runs the exported ONNX file itself.

    With engine auto, both forms are models.
    """
    user = f"infer.engine {PLAN.engine}"
    if not PLAN.converts_model:
        return exported(PLAN.float_source, user)(wildcards)
    converted = described(f"results/native_model/{EXPORTED}.{PLAN.float_suffix}")
    if PLAN.engine != AUTO:
        return converted
    forms = (converted, exported("onnx", user)(wildcards))
    return {name: [form[name] for form in forms] for name in converted}


def raw_maps(stage):
    """Return the folder of raw outputs as an output, if infer.raw_maps is set."""
    return declared_folder(f"results/{stage}/result_Files") if config["infer"]["raw_maps"] else []
