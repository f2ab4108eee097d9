"""How a machine becomes a node: from a token to certificates of its own.

With a token (wherry.tokens) the machine asks for two certificates (CertificateSigningRequests): one by which it is
known to the server, and one by which its own port is known. It speaks to nobody but the authority that the token
names. Both are kept, so that a restart needs no token.
Source: kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens and .../kubelet-tls-bootstrapping
"""

import base64
import secrets
import time
from typing import Final

from kube.config import Access
from kube.files import write_private
from kube.pki import Subject, new_key, signing_request
from wherry.cluster.credentials import Credentials
from wherry.connection import Connection
from wherry.targets import UsageError
from wherry.tokens import AUTHORITY_LENGTH, ID_LENGTH, SECRET_LENGTH, authority_of

CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
SIGN_TIMEOUT_S: Final = 30.0
POLL_S: Final = 0.02
REQUESTS: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def join(server: str, token: str, node: str, addresses: list[str], credentials: Credentials) -> None:
    """Get the node's certificates and keep them. Raises UsageError for a token or a server that can't be."""
    token_id, _, rest = token.partition(".")
    secret, _, authority = rest.partition(".")
    if (len(token_id), len(secret), len(authority)) != (ID_LENGTH, SECRET_LENGTH, AUTHORITY_LENGTH):
        raise UsageError("--token: isn't one; make one on the server's machine with `wherry token create`")
    ca_pem = _authority(server, authority)
    credentials.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials.authority.write_text(ca_pem)
    bootstrap = Connection(Access(server=server, ca_pem=ca_pem, token=f"{token_id}.{secret}"))
    _obtain(bootstrap, credentials, "client", node, [])
    _obtain(Connection(credentials.access(server)), credentials, "serving", node, addresses)


def _authority(server: str, expected: str) -> str:
    """Return the server's CA certificate once it is the one that the token speaks of."""
    unverified = Connection(Access(server=server, insecure=True))
    ca_pem = unverified.request("GET", "/cacerts").body.decode()
    unverified.close()
    if not secrets.compare_digest(authority_of(ca_pem), expected):
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
