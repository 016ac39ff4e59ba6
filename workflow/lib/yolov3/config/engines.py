"""Native engines by name, where a setting of one depends on another."""

# The only device of each engine; lite is not listed because it runs on both.
DEVICE_OF_ENGINE = {"openvino": "cpu", "acl": "ascend", "auto": "cpu"}
# The engine that a trial finds to be the fastest.
AUTO = "auto"
