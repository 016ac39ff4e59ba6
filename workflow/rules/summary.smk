# Terminal output: a line when a stage starts, ends or fails, and a summary of the results at the end.

from snakemake.logging import logger

from yolov3.report.stage_lines import show_stage_lines
from yolov3.report.summary import summary_text

SHOWN = workflow.output_settings
# With Snakemake's own options for more output, and in a workflow that uses this one as a module, Snakemake's lines stay.
if (
    workflow.is_main_process
    and Path(workflow.main_snakefile).parent in (WORKFLOW_DIR, WORKFLOW_DIR.parent)
    and not (SHOWN.dryrun or SHOWN.verbose or SHOWN.printshellcmds or SHOWN.debug_dag)
):
    show_stage_lines(logger)


onsuccess:
    if any(job.rule.name == "report" for job in workflow.dag.jobs):
        logger.info(
            summary_text(Path("results"), (stage for stage, takes_part in TIMED_STAGES.items() if takes_part))
        )
