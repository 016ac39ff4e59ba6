# The exported float model, converted for the engine that runs it.

FLOAT_MODEL = exported(PLAN.float_source, f"infer.engine {PLAN.engine}")


rule convert_model:
    input:
        unpack(FLOAT_MODEL),
        converter=rules.build_converter.output.program if PLAN.engine == "lite" else [],
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
        code=code("convert_model"),
        options=(
            options_of("quantize", "soc_version")
            if PLAN.engine == "acl"
            else option_words({"optimize": "ascend_oriented" if PLAN.device == "ascend" else "general"})
        ),
        converter=lambda wildcards, input: file_option("converter", input.converter),
    shell:
        "python {SCRIPTS:q}/convert_model.py {params.options} {params.converter} --model {input.model:q}"
        " --output {output.model:q} --log_file {log:q}"


def native_model(wildcards):
    """Return the model that the native program runs; OpenVINO runs the exported ONNX file itself."""
    return described(rules.convert_model.output.model) if PLAN.converts_model else FLOAT_MODEL(wildcards)
