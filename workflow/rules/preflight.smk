# Check the host before the first job starts, and show what the recipe of a training chooses and which keys have no effect.
# Stages do not depend on a rule for this: with it as an ancient() input, Snakemake would not run a stage for reasons of its
# own whenever the preflight runs.

from snakemake.logging import logger

from yolov3.preflight.files import missing_files
from yolov3.preflight.checks import missing_requirements
from yolov3.preflight.settings import ALL_STAGES, PreflightSettings, values_of


# Snakemake runs only the last onstart of a workflow.
onstart:
    record_run_lock()
    rules_to_run = {job.rule.name for job in workflow.dag.needrun_jobs()}
    planned = ALL_STAGES & rules_to_run
    sentences = missing_requirements(
        PreflightSettings(**values_of(config, workflow.local_exec)), Path("results"), planned
    )
    sentences += missing_files(config, rules_to_run)
    if sentences:
        advice = "Install or free what is missing, or set preflight to false to skip this check."
        raise WorkflowError(
            "\n".join(["this host is not ready:", *(f"- {sentence}" for sentence in sentences), advice])
        )
    if "train" in rules_to_run:
        for sentence in UNUSED_KEYS:
            logger.warning(sentence)
        if RECIPE_TEXT:
            logger.info(RECIPE_TEXT)


# Without outputs, this rule runs whenever it is requested.
rule preflight:
    log:
        "logs/preflight.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        program=str(SCRIPTS / "preflight.py"),
        options=lambda wildcards: option_words(values_of(config, workflow.local_exec)),
    shell:
        "python {params.program:q} {params.options} --log_file {log:q}"
