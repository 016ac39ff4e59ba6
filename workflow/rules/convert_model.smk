# The exported float model, converted for the engine that runs it.

OPTIMIZATION = "ascend_oriented" if PLAN.device == "ascend" else "general"
CONVERSION = [section("quantize", "soc_version")] if PLAN.engine == "acl" else []
# On Ascend, the model normalises JPEG files itself.
CONVERSION += [section("infer", "input")] if PLAN.device == "ascend" else []


rule convert_model:
    input:
        unpack(exported(PLAN.float_source, f"infer.engine {PLAN.engine}")),
        converter=rules.build_converter.output.program if PLAN.engine in ("lite", AUTO) else [],
    output:
        **described(f"results/native_model/{EXPORTED}.{PLAN.float_suffix}"),
    log:
        "logs/convert_model.log",
    benchmark:
        timed("convert_model", PLAN.converts_model)
    conda:
        "../../envs/main.yaml"
    threads: 4
    params:
        run=command("convert_model", *CONVERSION),
        optimize="" if PLAN.engine == "acl" else f"--optimize {OPTIMIZATION}",
        converter=lambda wildcards, input: file_option("converter", input.converter),
    shell:
        "{params.run} {params.optimize} {params.converter} --model {input.model:q} --output {output.model:q}"
        " --log_file {log:q}"
