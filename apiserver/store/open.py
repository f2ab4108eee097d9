"""From the words of `--store` to a store.

Reads nothing but its arguments; what is opened says itself what it reads and writes.
"""

from pathlib import Path

from apiserver.store.contract import Store
from apiserver.store.memory import MemoryStore

FORMS = "memory:, sqlite:PATH or etcd:URL,URL,..."


async def open_store(spec: str, *, ca: Path | None = None, cert: Path | None = None, key: Path | None = None) -> Store:
    """Return the store that `spec` names: one of FORMS.

    ca, cert, key: PEM files for etcd over https. Raises ValueError for a spec that makes no sense, StoreUnavailable
    where the store cannot be opened; an etcd that is away is met at the first use only.
    """
    form, _, rest = spec.partition(":")
    if form == "etcd":
        from apiserver.store.etcd import EtcdStore  # noqa: PLC0415 - grpc takes 60 ms to import.
        from apiserver.store.etcd_connection import Tls  # noqa: PLC0415

        return EtcdStore([url for url in rest.split(",") if url], Tls(ca, cert, key))
    if ca or cert or key:
        raise ValueError(f"store {spec!r}: takes no TLS files; give them with etcd only")
    if form == "sqlite" and rest:
        from apiserver.store.sqlite import SqliteStore  # noqa: PLC0415 - not for those who keep nothing.

        return SqliteStore.open(Path(rest))
    if (form, rest) == ("memory", ""):
        return MemoryStore()
    raise ValueError(f"store {spec!r}: is none that is known; use {FORMS}")
