# Which devices train together.

# On a cluster the table is written on the host that trains, in the same job, which is to be asked for alike.
TRAINING_GROUP = "train" if config["train"]["is_distributed"] else None
# This host can ask its own devices only: several hosts train with the table merged by hand, or with none.
MERGED_TABLE = config["rank_table"]["merged_table"]
ON_SEVERAL_HOSTS = config["train"]["hosts"] or config["train"]["host_launcher"] == "slurm"
HAS_RANK_TABLE = config["train"]["is_distributed"] and (MERGED_TABLE or not ON_SEVERAL_HOSTS)


rule rank_table:
    input:
        script=script("rank_table"),
        modules=module_files("rank_table"),
        merged=unmanaged(MERGED_TABLE) if MERGED_TABLE else [],
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
        **training_devices(),
    params:
        options=section_options(
            "rank_table", device_target=config["device_target"], group_size=config["train"]["group_size"]
        ),
    shell:
        "python {input.script:q} {params.options} --output_file {output.table:q} --log_file {log:q}"
