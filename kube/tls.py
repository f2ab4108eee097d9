"""TLS as clients need it: the settings that an access asks for, and what tells one certificate from another.

Standard library alone, so that short commands need not load what makes certificates (kube.pki).
"""

import ssl
import tempfile
from hashlib import sha256
from pathlib import Path

from kube.config import Access


def tls_context(access: Access) -> ssl.SSLContext:
    """Return the TLS settings that an access asks for: its authority, its client certificate."""
    context = ssl.create_default_context(cadata=access.ca_pem or None)
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate_pem:
        with tempfile.TemporaryDirectory() as directory:
            both = Path(directory) / "client.pem"
            both.touch(mode=0o600)
            both.write_text(f"{access.certificate_pem}\n{access.key_pem}")
            context.load_cert_chain(both)
    return context


def fingerprint(certificate_pem: str) -> str:
    """Return a certificate's SHA-256 in hex."""
    return sha256(ssl.PEM_cert_to_DER_cert(certificate_pem)).hexdigest()
