# YOLOv3-DarkNet53 in MindSpore, from the data to the report. Settings: config/config.yaml.

from snakemake.utils import min_version

min_version("9.0")


# A config named with --configfile replaces the embedded default; keys it leaves out take the schema's defaults.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/preflight.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/backbone.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/anchors.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/native.smk"
include: "workflow/rules/quantize.smk"
include: "workflow/rules/infer_310.smk"
include: "workflow/rules/report.smk"


# What is light, or needs the Internet, runs where Snakemake runs, on a cluster too.
localrules:
    all,
    preflight,
    download,
    fetch_backbone,
    convert_backbone,
    convert_weights,
    mslite_runtime,
    report,


rule all:
    default_target: True
    input:
        rules.report.output.page,
