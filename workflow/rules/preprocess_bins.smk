# Preprocessed images as raw binary files for the native program and for quantization.


NORMALISED_INPUT = (NETWORK_INPUT, section("network", "normalisation"))


rule preprocess_bins:
    input:
        manifest=rules.download_val.output.manifest,
        source=present(rules.download_val.output.data),
    output:
        index="results/bins/index.json",
        images=declared_folder("results/bins/images"),
    log:
        "logs/preprocess_bins.log",
    benchmark:
        timed("preprocess_bins", not PLAN.reads_jpeg)
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=8)
    resources:
        runtime="4h",
    params:
        run=command("preprocess_bins", section("bins"), *NORMALISED_INPUT),
    shell:
        '{params.run} --manifest {input.manifest:q} --output_dir "$(dirname {output.index:q})" --log_file {log:q}'


use rule preprocess_bins as calibration_bins with:
    input:
        manifest=rules.download_train.output.manifest,
        source=present(rules.download_train.output.data),
    output:
        index="results/calibration/index.json",
        images=declared_folder("results/calibration/images"),
    log:
        "logs/calibration_bins.log",
    benchmark:
        timed("calibration_bins")
    params:
        run=command("preprocess_bins", section("calibration"), *NORMALISED_INPUT, more="--calibration 1"),
