# Export of the trained network for deployment.


rule export:
    input:
        # The exported models are compared with the network on one of the images.
        manifest=rules.download_train.output.manifest,
        images=present(rules.download_train.output.data),
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
        run=command("export", section("export"), NETWORK_INPUT, top_level("device_target", "seed")),
    shell:
        "{params.run} --manifest {input.manifest:q} --ckpt_file {input.checkpoint:q}"
        ' --output_dir "$(dirname {output.summary:q})" --log_file {log:q}'
