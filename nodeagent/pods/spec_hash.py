"""Tell whether a running container is still the one that its pod asks for.

The one field of a container that may change while it runs, and asks for a restart, is its image.
"""

from functools import lru_cache
from hashlib import sha256

from kube.api.core_v1 import Container


def spec_hash(container: Container) -> str:
    """Return a short name for what a change of the container would make it another one."""
    return _hash(container.name, container.image)


@lru_cache(maxsize=1024)
def _hash(name: str, image: str) -> str:
    return sha256(f"{name}\0{image}".encode()).hexdigest()[:12]
