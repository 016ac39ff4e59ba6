# What this host is missing for the stages that are going to run, said before the first of them begins. It is no input of
# theirs: a stage behind ancient() would not run for its own reasons whenever the preflight does.

from yolov3.preflight.checks import missing_requirements
from yolov3.preflight.settings import ALL_STAGES, PreflightSettings, values_of


onstart:
    planned = ALL_STAGES & {job.rule.name for job in workflow.dag.needrun_jobs()}
    sentences = missing_requirements(PreflightSettings(**values_of(config, workflow.local_exec)), Path("results"), planned)
    if sentences:
        advice = "Fix that, or set preflight to false if you know better."
        raise WorkflowError(
            "\n".join(["this host is not ready:", *(f"- {sentence}" for sentence in sentences), advice])
        )


# Without an output, it runs whenever it is asked for.
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
