# One page that shows what was run and how good it is.

import json

TIMED_STAGES = [
    "download",
    "fetch_backbone" if TRAINS and (SOURCE == "fresh" or "://" in SOURCE) else None,
    "convert_backbone" if TRAINS and HAS_BACKBONE else None,
    "rank_table" if TRAINS and HAS_RANK_TABLE else None,
    "cluster_anchors" if CLUSTERS_ANCHORS else None,
    "train" if TRAINS else "convert_weights",
    "eval_coco",
    "export",
    "mslite_runtime",
    "build_native310",
    "build_converter" if BACKEND == "mslite" or ENGINE == "lite" else None,
    "preprocess_bins",
    "calibration_bins",
    "convert_model" if ENGINE in SUFFIX_OF else None,
    "post_quant",
    "infer_310",
    "quant_infer_310",
]

# Sections that took no part in the run are not shown, so a change there changes nothing.
UNUSED = {"preflight", "shapes", "coco2014", "custom"} - {PROVIDER}
UNUSED |= {"weights"} if TRAINS else {"backbone", "train"}
UNUSED |= set() if TRAINS and HAS_RANK_TABLE else {"rank_table"}
SHOWN_CONFIG = {section: values for section, values in config.items() if section not in UNUSED}


rule report:
    input:
        script=script("report"),
        modules=module_files("report"),
        template=unmanaged(ROOT / "workflow" / "report" / "report.html.j2"),
        manifest=rules.download.output.manifest,
        train_metrics=rules.train.output.metrics if TRAINS else [],
        train_summary=rules.train.output.summary if TRAINS else [],
        weights_summary=[] if TRAINS else rules.convert_weights.output.summary,
        eval_metrics=rules.eval_coco.output.metrics,
        detections=rules.eval_coco.output.detections,
        float_metrics=rules.infer_310.output.metrics,
        float_detections=rules.infer_310.output.detections,
        int8_metrics=rules.quant_infer_310.output.metrics,
        int8_detections=rules.quant_infer_310.output.detections,
        benchmarks=[f"results/benchmarks/{stage}.tsv" for stage in TIMED_STAGES if stage],
    output:
        page=report("results/report/report.html", caption="../report/report.rst", category="Report"),
    log:
        "logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    conda:
        "../../envs/main.yaml"
    params:
        options=section_options("report"),
        network=lambda wildcards, input: option_words(
            {"train_metrics": input.train_metrics, "train_summary": input.train_summary}
            if TRAINS
            else {"weights_summary": input.weights_summary}
        ),
        config_json=option_words({"config_json": json.dumps(SHOWN_CONFIG)}),
    shell:
        "python {input.script:q} {params.options} {params.network} {params.config_json} --manifest {input.manifest:q}"
        " --eval_metrics {input.eval_metrics:q} --detections {input.detections:q}"
        " --native 'Native float' {input.float_metrics:q} {input.float_detections:q}"
        " --native 'Native int8' {input.int8_metrics:q} {input.int8_detections:q}"
        " --benchmarks {input.benchmarks:q} --output {output.page:q} --log_file {log:q}"
