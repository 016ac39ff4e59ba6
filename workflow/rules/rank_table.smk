# The Ascend devices that train together. The table is written on the training host, in the same cluster job, and is
# temporary: the choice of devices does not change the result.


rule rank_table:
    output:
        table=temp("results/rank_table/rank_table.json"),
    log:
        "logs/rank_table.log",
    benchmark:
        timed("rank_table", PLAN.has_rank_table)
    group:
        "train" if config["train"]["is_distributed"] else None
    conda:
        "../../envs/main.yaml"
    resources:
        **training_devices(),
    params:
        run=command(
            "rank_table",
            section("rank_table"),
            section("train", "group_size", "hosts", "host_launcher"),
        ),
    shell:
        "{params.run} --output_file {output.table:q} --log_file {log:q}"
