# An HTML page of the settings, accuracy, timings and detections of a run.

import json

# Sections that take no part in the run are not shown, so that a change there does not rerun the report.
UNUSED = {"preflight", "compare", *({"shapes", "coco2014", "coco2017", "custom"} - {PLAN.provider})}
UNUSED |= {"backbone", "train"} if not PLAN.has_training else {"weights"}
UNUSED |= set() if PLAN.has_rank_table else {"rank_table"}
SHOWN_CONFIG = {section: values for section, values in config.items() if section not in UNUSED}
SHOWN_SECTIONS = [(name, values) for name, values in SHOWN_CONFIG.items() if isinstance(values, dict)]
SHOWN_CONFIG_OPTION = option_words({"config_json": json.dumps(SHOWN_CONFIG)})
TEMPLATE_NAMES = ("report.html.j2", "analysis.html.j2", "macros.html.j2", "report.css.j2", "style.css.j2")
REPORT_TEMPLATES = [WORKFLOW_DIR / "lib" / "yolov3" / "report" / name for name in TEMPLATE_NAMES]


rule report:
    input:
        manifest=rules.download.output.manifest,
        images=present(rules.download_val.output.data),
        train_metrics=rules.train.output.metrics if PLAN.has_training else [],
        train_summary=rules.train.output.summary if PLAN.has_training else [],
        preview=rules.preview_batches.output.picture if PLAN.has_training else [],
        data=rules.data_report.output.numbers,
        weights_summary=[] if PLAN.has_training else rules.convert_weights.output.summary,
        eval_metrics=rules.eval_coco.output.metrics,
        detections=rules.eval_coco.output.detections,
        float_metrics=rules.infer_310.output.metrics,
        float_detections=rules.infer_310.output.detections,
        int8_metrics=rules.quant_infer_310.output.metrics,
        int8_detections=rules.quant_infer_310.output.detections,
        quantization=INT8_MODELS["summary"],
        export_summary=rules.export.output.summary if config["report"]["evaluate_exports"] else [],
        export_metrics=list(rules.eval_exports.input) if config["report"]["evaluate_exports"] else [],
        benchmarks=[f"results/benchmarks/{stage}.tsv" for stage, takes_part in TIMED_STAGES.items() if takes_part],
    output:
        page=report("results/report/report.html", caption="../report/report.rst", category="Report"),
        config="results/report/config.json",
    log:
        "logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    localrule: True
    conda:
        "../../envs/main.yaml"
    params:
        run=command("report", section("report"), more=SHOWN_CONFIG_OPTION),
        template=lambda wildcards: files_digest(REPORT_TEMPLATES),
        shown=lambda wildcards: repr([tracked_values(*shown) for shown in sorted(SHOWN_SECTIONS)]),
        general=lambda wildcards: repr(tracked_values(*top_level("device_target", "seed"))),
        weights=lambda wildcards, input: (
            option_words({key: input[key] for key in ("train_metrics", "train_summary", "preview")})
            if PLAN.has_training
            else file_option("weights_summary", input.weights_summary)
        ),
    shell:
        "{params.run} {params.weights} --manifest {input.manifest:q} --data_numbers {input.data:q}"
        " --eval_metrics {input.eval_metrics:q} --detections {input.detections:q}"
        " --native 'Native float' {input.float_metrics:q} {input.float_detections:q}"
        " --native 'Native int8' {input.int8_metrics:q} {input.int8_detections:q}"
        " --quantization {input.quantization:q}"
        " --exports {input.export_summary:q} {input.export_metrics:q}"
        " --benchmarks {input.benchmarks:q} --output {output.page:q} --log_file {log:q}"
