# Which devices train together.


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
    conda:
        "../../envs/main.yaml"
    params:
        options=words("rank_table", device_target=config["device_target"], group_size=config["train"]["group_size"]),
    shell:
        "python {input.script:q} {params.options} --output_file {output.table:q} --log_file {log:q}"
