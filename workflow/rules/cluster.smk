# Which devices train together.

# On a cluster the table is written on the host that trains, in the same job, which is to be asked for alike.
TRAINING_GROUP = "train" if config["train"]["is_distributed"] else None


rule rank_table:
    input:
        script=script("rank_table"),
        modules=sources("rank_table"),
    output:
        table="results/rank_table/rank_table.json",
    log:
        "logs/rank_table.log",
    benchmark:
        "results/benchmarks/rank_table.tsv"
    group:
        TRAINING_GROUP
    conda:
        "../../envs/main.yaml"
    resources:
        **devices(config["device_target"], config["train"]["group_size"]),
    params:
        options=words("rank_table", device_target=config["device_target"], group_size=config["train"]["group_size"]),
    shell:
        "python {input.script:q} {params.options} --output_file {output.table:q} --log_file {log:q}"
