# The data set: made, fetched or used in place, then checked and described by one manifest.

PROVIDER = config["data"]["provider"]


def data_files(wildcards):
    """The files of the user's own data set: a change of its annotations reruns what depends on the data."""
    if PROVIDER != "custom":
        return []
    return [config["custom"]["train_annotations"], config["custom"]["val_annotations"]]


rule download:
    input:
        script=script("download"),
        modules=sources("download"),
        annotations=data_files,
    output:
        manifest="results/data/manifest.json",
    log:
        "logs/download.log",
    benchmark:
        "results/benchmarks/download.tsv"
    threads: own_threads()
    params:
        options=words("data", PROVIDER),
    shell:
        "python {input.script:q} {params.options} --manifest {output.manifest:q} --log_file {log:q}"
