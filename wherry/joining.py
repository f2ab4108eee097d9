"""How a machine becomes a node: from a token to certificates of its own.

A token is `id.secret.authority`: id and secret name a Secret in kube-system, as Kubernetes' bootstrap tokens do;
authority is the beginning of the SHA-256 of the cluster's CA certificate, so that the machine knows whom it joins
before it says a word of the secret. With it the machine asks for two certificates (CertificateSigningRequests): one
by which it is known to the server, and one by which its own port is known. Both are kept, so that a restart needs no
token.
Source: kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens and .../kubelet-tls-bootstrapping
"""

import base64
import hashlib
import secrets
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from kube.config import Access
from kube.files import write_private
from kube.pki import Subject, new_key, signing_request
from kube.times import to_time
from wherry.connection import Connection
from wherry.targets import UsageError

ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH, SECRET_LENGTH, AUTHORITY_LENGTH = 6, 16, 32
CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
SIGN_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.02
REQUESTS: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


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


def make_token(connection: Connection, lifetime_s: float) -> str:
    """Store a new token and return it."""
    token_id, secret = _random(ID_LENGTH), _random(SECRET_LENGTH)
    connection.send(
        "POST",
        "/api/v1/namespaces/kube-system/secrets",
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"bootstrap-token-{token_id}"},
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": token_id,
                "token-secret": secret,
                "expiration": to_time(datetime.now(UTC) + timedelta(seconds=lifetime_s)),
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": "system:bootstrappers:wherry:nodes",
            },
        },
    )
    return f"{token_id}.{secret}.{fingerprint(connection.access.ca_pem)}"


def fingerprint(ca_pem: str) -> str:
    """Return what a token says of the cluster's authority: the beginning of its certificate's SHA-256, in hex."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ca_pem)).hexdigest()[:AUTHORITY_LENGTH]


def join(server: str, token: str, node: str, addresses: list[str], directory: Path) -> Credentials:
    """Get the node's certificates, unless it has them. Raises UsageError for a token or a server that can't be."""
    credentials = Credentials(directory)
    if credentials.are_complete:
        return credentials
    token_id, _, rest = token.partition(".")
    secret, _, authority = rest.partition(".")
    if (len(token_id), len(secret), len(authority)) != (ID_LENGTH, SECRET_LENGTH, AUTHORITY_LENGTH):
        raise UsageError("--token: isn't one; make one on the server's machine with `wherry token create`")
    ca_pem = _authority(server, authority)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials.authority.write_text(ca_pem)
    bootstrap = Connection(Access(server=server, ca_pem=ca_pem, token=f"{token_id}.{secret}"))
    _obtain(bootstrap, credentials, "client", node, [])
    _obtain(Connection(credentials.access(server)), credentials, "serving", node, addresses)
    return credentials


def _authority(server: str, expected: str) -> str:
    """Return the server's CA certificate once it is the one that the token speaks of."""
    unverified = Connection(Access(server=server, insecure=True))
    ca_pem = unverified.request("GET", "/cacerts").body.decode()
    unverified.close()
    if not secrets.compare_digest(fingerprint(ca_pem), expected):
        raise UsageError(f"{server}: is not the cluster that the token was made for; compare the addresses")
    return ca_pem


def _obtain(connection: Connection, credentials: Credentials, purpose: str, node: str, addresses: list[str]) -> None:
    """Ask for one certificate and keep it with its key."""
    key_pem = new_key()
    names = (node, *addresses) if purpose == "serving" else ()
    request_pem = signing_request(key_pem, Subject(f"system:node:{node}", ("system:nodes",), names))
    usage = "client auth" if purpose == "client" else "server auth"
    created = connection.send(
        "POST",
        REQUESTS,
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": f"{node}-{purpose}-"},
            "spec": {
                "request": base64.b64encode(request_pem.encode()).decode(),
                "signerName": CLIENT_SIGNER if purpose == "client" else SERVING_SIGNER,
                "usages": ["digital signature", usage],
            },
        },
    )
    certificate_pem = _signed(connection, created["metadata"]["name"])
    write_private(credentials.key(purpose), key_pem)
    credentials.certificate(purpose).write_text(certificate_pem)


def _signed(connection: Connection, name: str) -> str:
    until = time.monotonic() + SIGN_TIMEOUT_S
    while time.monotonic() < until:
        status = connection.get(f"{REQUESTS}/{name}").get("status") or {}
        for condition in status.get("conditions") or []:
            if condition["type"] in ("Denied", "Failed"):
                raise UsageError(f"the server refused a certificate: {condition.get('message', condition['type'])}")
        if status.get("certificate"):
            return base64.b64decode(status["certificate"]).decode()
        time.sleep(POLL_S)
    raise UsageError(f"no certificate after {SIGN_TIMEOUT_S:g} s; do the server's controllers run?")


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
