"""The tokens by which pods and programs say which service account they are: signed here, checked here.

A token is a JWT (ES256) with Kubernetes' claims. It holds as long as its signature, its time, and the service account
(and pod) it is bound to.
Source: RFC 7519, RFC 7518 section 3.4; KEP-1205 (bound service account tokens).
"""

import base64
import hashlib
import json
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
AUDIENCES: Final = (ISSUER, "https://kubernetes.default.svc")
_CHECKED_MAX: Final = 4096
_PART_BYTES: Final = 32


class TokenError(ValueError):
    """A token that doesn't hold; the message says why."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An object that a token names, by name and uid; both "" for none."""

    name: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. issued_s, expires_s: seconds of the epoch. bound_kind: "Pod", "Secret", "Node" or ""."""

    namespace: str
    account: Bound
    audiences: tuple[str, ...]
    issued_s: int
    expires_s: int
    bound_kind: str = ""
    bound: Bound = Bound()
    node: Bound = Bound()
    token_id: str = ""


class TokenKeeper:
    """Signs tokens with the cluster's key, and checks them, each signature once."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        """key: P-256, the same for every server of the cluster."""
        self._key = key
        self._public = key.public_key()
        spki = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = _text(hashlib.sha256(spki).digest())
        self._checked: OrderedDict[str, Claims] = OrderedDict()

    def sign(self, claims: Claims) -> str:
        """Return the token that says `claims`."""
        header = {"alg": "ES256", "kid": self.key_id}
        signed = f"{_json(header)}.{_json(_payload(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_PART_BYTES, "big") + s.to_bytes(_PART_BYTES, "big")
        return f"{signed}.{_text(signature)}"

    def check(self, token: str, now: datetime) -> Claims:
        """Return what a token says if we signed it and its time has come and not gone. Raises TokenError."""
        claims = self._checked.get(token)
        if claims is None:
            claims = self._verified(token)
            self._checked[token] = claims
            if len(self._checked) > _CHECKED_MAX:
                self._checked.popitem(last=False)
        if now.timestamp() >= claims.expires_s:
            raise TokenError("service account token has expired")
        if now.timestamp() < claims.issued_s - 60:
            raise TokenError("service account token is not valid yet")
        return claims

    def public_keys(self) -> dict[str, Any]:
        """Return the public key as a JSON web key set."""
        numbers = self._public.public_numbers()
        return {
            "keys": [
                {
                    "use": "sig",
                    "kty": "EC",
                    "kid": self.key_id,
                    "crv": "P-256",
                    "alg": "ES256",
                    "x": _text(numbers.x.to_bytes(_PART_BYTES, "big")),
                    "y": _text(numbers.y.to_bytes(_PART_BYTES, "big")),
                }
            ]
        }

    def _verified(self, token: str) -> Claims:
        try:
            signed, _, signature_text = token.rpartition(".")
            header_text, _, payload_text = signed.partition(".")
            signature = _bytes(signature_text)
            header, payload = json.loads(_bytes(header_text)), json.loads(_bytes(payload_text))
            if header["alg"] != "ES256" or len(signature) != 2 * _PART_BYTES:
                raise TokenError("token is not signed with ES256")
            r, s = (int.from_bytes(part, "big") for part in (signature[:_PART_BYTES], signature[_PART_BYTES:]))
            self._public.verify(encode_dss_signature(r, s), signed.encode(), ECDSA(hashes.SHA256()))
            return _claims(payload)
        except InvalidSignature:
            raise TokenError("token was not signed by this cluster") from None
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise TokenError("token is malformed") from error


def new_token_id() -> str:
    """Return a fresh identifier for a token."""
    return str(uuid.uuid4())


def _payload(claims: Claims) -> dict[str, Any]:
    inner: dict[str, Any] = {
        "namespace": claims.namespace,
        "serviceaccount": {"name": claims.account.name, "uid": claims.account.uid},
    }
    if claims.bound_kind:
        inner[claims.bound_kind.lower()] = {"name": claims.bound.name, "uid": claims.bound.uid}
    if claims.node.name:
        inner["node"] = {"name": claims.node.name, "uid": claims.node.uid}
    return {
        "aud": list(claims.audiences),
        "exp": claims.expires_s,
        "iat": claims.issued_s,
        "iss": ISSUER,
        "jti": claims.token_id,
        "kubernetes.io": inner,
        "nbf": claims.issued_s,
        "sub": f"system:serviceaccount:{claims.namespace}:{claims.account.name}",
    }


def _claims(payload: dict[str, Any]) -> Claims:
    if payload["iss"] != ISSUER:
        raise TokenError("token was issued by somebody else")
    inner = payload["kubernetes.io"]
    kind = next((kind for kind in ("Pod", "Secret") if kind.lower() in inner), "Node" if "node" in inner else "")
    audiences = payload["aud"]
    return Claims(
        namespace=inner["namespace"],
        account=Bound(**inner["serviceaccount"]),
        audiences=(audiences,) if isinstance(audiences, str) else tuple(audiences),
        issued_s=int(payload["iat"]),
        expires_s=int(payload["exp"]),
        bound_kind=kind,
        bound=Bound(**inner[kind.lower()]) if kind else Bound(),
        node=Bound(**inner["node"]) if "node" in inner else Bound(),
        token_id=payload.get("jti", ""),
    )


def _json(value: Any) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Return what a part of a token says. Raises ValueError for letters that mean nothing: a token has one form."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
