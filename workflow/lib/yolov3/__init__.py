"""YOLOv3 with a DarkNet53 backbone in MindSpore, from data to deployment."""

import os

# On CPUs with AVX-512, MindSpore's oneDNN falls back to its reference convolution, which is over 100 times slower. The
# library reads this variable once when it is loaded, so it is set here, before any module of this package imports
# MindSpore, in every process. A value set by the user takes priority.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
