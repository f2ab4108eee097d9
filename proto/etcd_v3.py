"""The messages and services of etcd's v3 API that the store uses, loaded from `etcd_v3.binpb`.

Source: etcd_v3.proto; `python -m proto.generate` makes the .binpb and the .pyi from it.
"""

from proto.loading import load

globals().update(load("etcd_v3.binpb"))
