# The data set: made, fetched or used in place, then checked and described by one manifest.

PROVIDER = config["data"]["provider"]


rule download:
    input:
        script=script("download"),
        modules=module_files("download"),
        # A change of the user's own annotations reruns what depends on the data.
        annotations=[
            unmanaged(config["custom"][key])
            for key in ("train_annotations", "val_annotations")
            if PROVIDER == "custom"
        ],
    output:
        manifest="results/data/manifest.json",
    log:
        "logs/download.log",
    benchmark:
        "results/benchmarks/download.tsv"
    conda:
        "../../envs/main.yaml"
    threads: own_threads()
    params:
        options=section_options("data", PROVIDER),
    shell:
        "python {input.script:q} {params.options} --manifest {output.manifest:q} --log_file {log:q}"
