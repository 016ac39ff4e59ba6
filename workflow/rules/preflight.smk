# Check the host before the first job starts. Stages do not depend on a rule for this: with it as an ancient() input,
# Snakemake would not run a stage for reasons of its own whenever the preflight runs.

from yolov3.preflight.checks import missing
from yolov3.preflight.settings import ALL_STAGES, PreflightSettings, values_of


onstart:
    planned = ALL_STAGES & {job.rule.name for job in workflow.dag.needrun_jobs()}
    sentences = missing(PreflightSettings(**values_of(config, workflow.local_exec)), Path("results"), planned)
    if sentences:
        advice = "Install or free what is missing, or set preflight to false to skip this check."
        raise WorkflowError(
            "\n".join(["this host is not ready:", *(f"- {sentence}" for sentence in sentences), advice])
        )


# Without outputs, this rule runs whenever it is requested.
rule preflight:
    log:
        "logs/preflight.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        options=lambda wildcards: option_words(values_of(config, workflow.local_exec)),
    shell:
        "python {SCRIPTS:q}/preflight.py {params.options} --log_file {log:q}"
