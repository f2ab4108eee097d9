"""Where a node keeps the certificates by which it is known."""

from dataclasses import dataclass
from pathlib import Path

from kube.config import Access


@dataclass(frozen=True)
class Credentials:
    """A node's keys and certificates, where they are kept."""

    directory: Path

    @property
    def authority(self) -> Path:
        """The cluster's CA certificate."""
        return self.directory / "ca.crt"

    def certificate(self, purpose: str) -> Path:
        """The certificate for "client" or "serving"."""
        return self.directory / f"{purpose}.crt"

    def key(self, purpose: str) -> Path:
        """The key to that certificate."""
        return self.directory / f"{purpose}.key"

    @property
    def are_complete(self) -> bool:
        """Say whether the machine has joined before."""
        return self.certificate("client").exists() and self.certificate("serving").exists()

    def access(self, server: str) -> Access:
        """Return the node's own access to the server."""
        return Access(
            server=server,
            ca_pem=self.authority.read_text(),
            certificate_pem=self.certificate("client").read_text(),
            key_pem=self.key("client").read_text(),
        )
