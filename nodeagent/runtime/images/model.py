"""What an image is, once it is here; and what its registry may be told."""

import base64

import msgspec


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """How an image wants to be run, with the OCI image specification's names."""

    user: str = ""
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    stop_signal: str = ""
    labels: dict[str, str] | None = None
    volumes: dict[str, msgspec.UnsetType | dict[str, str]] | None = None


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image in the store. Writer: `images.store`.

    id: `sha256:` and the digest of its config. layers: diffIDs, lowest first. names: tags and digests, in full.
    size_bytes: of what was downloaded or imported.
    """

    id: str
    layers: tuple[str, ...]
    size_bytes: int
    config: ImageConfig = ImageConfig()
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()


class RootLayers(msgspec.Struct, frozen=True):
    """What overlayfs needs to know: the folder, and the names in it, topmost layer first."""

    folder: str
    lower: tuple[str, ...]


class Credentials(msgspec.Struct, frozen=True):
    """What a registry may be told; a token outweighs name and password."""

    username: str = ""
    password: str = ""
    token: str = ""

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header, or nothing."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
