"""What a program imports at its start."""

import gc
import os
import ssl

import pytest

from kube.importing import importing


def authorities() -> int:
    return ssl.create_default_context().cert_store_stats()["x509"]


def test_a_program_that_trusts_nobody_of_the_system_does_not_read_whom_that_trusts() -> None:
    trusted = authorities()

    with importing(system_roots=False):
        trusted_within = authorities()

    assert trusted_within == 0
    assert authorities() == trusted


def test_the_environment_is_what_it_was_after_an_import_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/somewhere/roots.pem")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)

    with pytest.raises(ImportError), importing(system_roots=False):
        raise ImportError

    assert os.environ["SSL_CERT_FILE"] == "/somewhere/roots.pem"
    assert "SSL_CERT_DIR" not in os.environ
    assert gc.isenabled()


def test_a_program_may_trust_whom_the_system_trusts() -> None:
    trusted = authorities()

    with importing(system_roots=True):
        assert authorities() == trusted
