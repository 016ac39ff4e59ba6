# Finished runs laid side by side. Only what they hold counts: none of their stages is run for it.

import shlex

COMPARISON_TEMPLATES = [
    WORKFLOW_DIR / "lib" / "yolov3" / "report" / name
    for name in ("comparison.html.j2", "macros.html.j2", "report.css.j2", "style.css.j2")
]


rule compare:
    output:
        page="results/comparison/comparison.html",
        numbers="results/comparison/comparison.json",
    log:
        "logs/compare.log",
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        run=command("compare", top_level("seed"), more=shlex.join(config["compare"]["runs"]), content=compared_content),
        template=lambda wildcards: files_digest(COMPARISON_TEMPLATES),
    shell:
        '{params.run} --output_dir "$(dirname {output.page:q})" --log_file {log:q}'
