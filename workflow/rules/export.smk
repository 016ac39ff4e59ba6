# Export of the trained network for deployment.


rule export:
    input:
        # The exported models are compared with the network on one of the images.
        manifest=rules.download_train.output.manifest,
        images=present(rules.download_train.output.images),
        checkpoint=CHECKPOINT,
    output:
        models=[f"results/export/{EXPORTED}.{name}" for name in PLAN.formats],
        descriptions=[f"results/export/{EXPORTED}.{name}.json" for name in PLAN.formats],
        summary="results/export/export.json",
    log:
        "logs/export.log",
    benchmark:
        timed("export")
    conda:
        "../../envs/main.yaml"
    threads: threads_of(on_cluster=4)
    resources:
        **devices(config["device_target"]),
    params:
        code=code("export"),
        options=options_of("export"),
        input=option_words(NETWORK_INPUT),
        general=top_level_options("device_target", "seed"),
    shell:
        "python {SCRIPTS:q}/export.py {params.general} {params.options} {params.input} --manifest {input.manifest:q}"
        ' --ckpt_file {input.checkpoint:q} --output_dir "$(dirname {output.summary:q})" --log_file {log:q}'
