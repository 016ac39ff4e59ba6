# The data set: made, fetched or used in place, then checked and described by one manifest.

PROVIDER = config["data"]["provider"]


rule download:
    input:
        script=script("download"),
        modules=sources("download"),
        # A change of the user's own annotations reruns what depends on the data.
        annotations=[
            in_place(config["custom"][key]) for key in ("train_annotations", "val_annotations") if PROVIDER == "custom"
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
        options=words("data", PROVIDER),
    shell:
        "python {input.script:q} {params.options} --manifest {output.manifest:q} --log_file {log:q}"
