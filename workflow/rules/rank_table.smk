# The Ascend devices that train together. The table is written on the training host, in the same cluster job, and is
# temporary: the choice of devices does not change the result.

HOSTS = option_words({key: config["train"][key] for key in ("hosts", "host_launcher")})


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
        code=code("rank_table"),
        options=options_of("rank_table"),
        merged=contents_of("rank_table"),
        group_size=options_of("train", "group_size"),
        device_target=top_level_options("device_target"),
    shell:
        "python {SCRIPTS:q}/rank_table.py {params.options} {params.group_size} {params.device_target}"
        " {UNTRACKED[rank_table]} {HOSTS} --output_file {output.table:q} --log_file {log:q}"
