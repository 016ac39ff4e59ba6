# The trained network as files for deployment, and the images as the native program reads them.

EXPORTED = config["export"]["file_name"]
PREPARED = {**network_input(), "normalisation": config["network"]["normalisation"]}
FORMATS = config["export"]["file_format"].split(",")


rule export:
    input:
        script=script("export"),
        modules=module_files("export"),
        manifest=rules.download.output.manifest,
        checkpoint=CHECKPOINT,
    output:
        models=[f"results/export/{EXPORTED}.{name.lower()}" for name in FORMATS],
        descriptions=[f"results/export/{EXPORTED}.{name.lower()}.json" for name in FORMATS],
        summary="results/export/export.json",
    log:
        "logs/export.log",
    benchmark:
        "results/benchmarks/export.tsv"
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    resources:
        **devices(config["device_target"]),
    params:
        options=section_options("export", **network_input()),
        general=top_level_options("device_target", "seed"),
    shell:
        "python {input.script:q} {params.general} {params.options} --manifest {input.manifest:q}"
        ' --ckpt_file {input.checkpoint:q} --output_dir "$(dirname {output.summary:q})" --log_file {log:q}'


rule preprocess_bins:
    input:
        script=script("preprocess_bins"),
        modules=module_files("preprocess_bins"),
        manifest=rules.download.output.manifest,
    output:
        index="results/bins/index.json",
    log:
        "logs/preprocess_bins.log",
    benchmark:
        "results/benchmarks/preprocess_bins.tsv"
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    params:
        options=section_options("bins", **PREPARED),
    shell:
        "python {input.script:q} {params.options} --manifest {input.manifest:q}"
        ' --output_dir "$(dirname {output.index:q})" --log_file {log:q}'


rule calibration_bins:
    input:
        script=script("preprocess_bins"),
        modules=module_files("preprocess_bins"),
        manifest=rules.download.output.manifest,
    output:
        index="results/calibration/index.json",
    log:
        "logs/calibration_bins.log",
    benchmark:
        "results/benchmarks/calibration_bins.tsv"
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    params:
        options=section_options("calibration", **PREPARED),
    shell:
        "python {input.script:q} {params.options} --calibration 1 --manifest {input.manifest:q}"
        ' --output_dir "$(dirname {output.index:q})" --log_file {log:q}'
