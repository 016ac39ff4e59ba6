# The workflow is workflow/Snakefile; this file lets `snakemake` find it here, too.


include: "workflow/Snakefile"
