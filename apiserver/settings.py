"""What an API server can be told at its start."""

from pathlib import Path
from typing import Final

import msgspec

NODE_PATIENCE_S: Final = 300
"""What Kubernetes gives pods on a node that is away."""


class ApiServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """bind: the address to listen on; port 0 takes any that is free. advertise: the one that nodes and pods are told.

    store: "memory:", "sqlite:PATH" or "etcd:URL,URL"; the three store_ files are for etcd over TLS. names: more names
    and addresses for the server's certificate. token_file: a table of fixed bearer tokens. node_patience_s: how long
    pods that say nothing of it stay on a node that is away.
    """

    pki_dir: Path
    bind: str = "127.0.0.1"
    port: int = 6443
    advertise: str = ""
    store: str = "memory:"
    store_ca: Path | None = None
    store_cert: Path | None = None
    store_key: Path | None = None
    service_cidr: str = "10.96.0.0/16"
    names: tuple[str, ...] = ()
    token_file: Path | None = None
    has_dns: bool = True
    node_patience_s: int = NODE_PATIENCE_S
