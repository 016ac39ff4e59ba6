"""YOLOv3 with a DarkNet53 backbone in MindSpore, from data to deployment."""

import os

# MindSpore's oneDNN falls back to its reference convolution on CPUs with AVX-512 and is then over 100 times slower.
# The library reads this variable once, when it is loaded, so it is set here: before any module of ours imports
# MindSpore, in every process, msrun's workers included. What the user has set stays.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
