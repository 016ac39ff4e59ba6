# The workflow is workflow/Snakefile; this file lets `snakemake` find it here, too.


include: "workflow/Snakefile"


# An included file does not set the default target.
workflow.default_target = rules.all.rule.name
