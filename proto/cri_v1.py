"""The messages and services of the Container Runtime Interface v1, loaded from `cri_v1.binpb`.

Source: cri_v1.proto; `python -m proto.generate` makes the .binpb and the .pyi from it.
"""

from proto.loading import load

globals().update(load("cri_v1.binpb"))
