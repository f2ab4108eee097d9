"""Join tokens: what a machine needs to become a node.

A token is `id.secret.authority`: id and secret name a Secret in kube-system, as Kubernetes' bootstrap tokens do;
authority is the beginning of the SHA-256 of the cluster's CA certificate, so that the machine knows whom it joins
before it says a word of the secret.
Source: kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from kube.times import to_time
from kube.tls import fingerprint
from wherry.connection import Connection

ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH, SECRET_LENGTH, AUTHORITY_LENGTH = 6, 16, 32


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
    return f"{token_id}.{secret}.{authority_of(connection.access.ca_pem)}"


def authority_of(ca_pem: str) -> str:
    """Return what a token says of the cluster's authority: the beginning of its certificate's fingerprint."""
    return fingerprint(ca_pem)[:AUTHORITY_LENGTH]


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
