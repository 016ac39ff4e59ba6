# What this host is missing for the stages that are going to run, said before the first of them begins. It is no input of
# theirs: a stage behind ancient() would not run for its own reasons whenever the preflight does.

from yolov3.preflight.files import missing_files
from yolov3.preflight.checks import missing_requirements
from yolov3.preflight.settings import ALL_STAGES, PreflightSettings, values_of


onstart:
    rules_to_run = {job.rule.name for job in workflow.dag.needrun_jobs()}
    planned = ALL_STAGES & rules_to_run
    sentences = missing_requirements(
        PreflightSettings(**values_of(config, workflow.local_exec)), Path("results"), planned
    )
    sentences += missing_files(config, rules_to_run)
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
        program=str(SCRIPTS / "preflight.py"),
        options=lambda wildcards: option_words(values_of(config, workflow.local_exec)),
    shell:
        "python {params.program:q} {params.options} --log_file {log:q}"
