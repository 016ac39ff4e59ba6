# Preprocessed images as raw binary files for the native program and for quantization.


rule preprocess_bins:
    input:
        manifest=rules.download_val.output.manifest,
        source=present(rules.download_val.output.images),
    output:
        index="results/bins/index.json",
        images=declared_folder("results/bins/images"),
    log:
        "logs/preprocess_bins.log",
    benchmark:
        timed("preprocess_bins")
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=8)
    resources:
        runtime="4h",
    params:
        code=code("preprocess_bins"),
        options=options_of("bins"),
        input=option_words(NETWORK_INPUT),
        network=options_of("network", "normalisation"),
    shell:
        "python {SCRIPTS:q}/preprocess_bins.py {params.options} {params.input} {params.network} --manifest {input.manifest:q}"
        ' --output_dir "$(dirname {output.index:q})" --log_file {log:q}'


use rule preprocess_bins as calibration_bins with:
    input:
        manifest=rules.download_train.output.manifest,
        source=present(rules.download_train.output.images),
    output:
        index="results/calibration/index.json",
        images=declared_folder("results/calibration/images"),
    log:
        "logs/calibration_bins.log",
    benchmark:
        timed("calibration_bins")
    params:
        code=code("preprocess_bins"),
        options=lambda wildcards: "--calibration 1 " + options_of("calibration")(wildcards),
        input=option_words(NETWORK_INPUT),
        network=options_of("network", "normalisation"),
