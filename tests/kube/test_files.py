"""Kubeconfigs, keys and certificates, settings, logs: what is kept in files and read from them."""

import base64
import io
import json
import logging
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from kube.config import Access, ConfigError, load_kubeconfig, save_kubeconfig
from kube.files import remove_deep
from kube.log import set_up_logging
from kube.pki import (
    Pair,
    Subject,
    issue,
    load_pair,
    new_authority,
    new_key,
    requested_subject,
    save_pair,
    sign,
    signing_request,
)
from kube.settings import SettingsError, load_settings
from kube.tls import fingerprint

NODE = Subject("system:node:n1", ("system:nodes",), ("n1", "10.0.0.1"))


def test_a_kubeconfig_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config"
    access = Access("https://127.0.0.1:6443", "CA\n", "CERT\n", "KEY\n", namespace="team")

    save_kubeconfig(path, access, name="wherry")

    assert load_kubeconfig(path) == access
    assert load_kubeconfig(path, "wherry") == access
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["config"]


def test_keys_may_stand_beside_a_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA\n")
    (tmp_path / "config").write_text(
        "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: 'https://a', certificate-authority: ca.crt}}]\n"
        "users: [{name: u, user: {token: secret}}]\n"
    )

    assert load_kubeconfig(tmp_path / "config") == Access("https://a", ca_pem="CA\n", token="secret")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a", "is no kubeconfig"),
        ("a: [", "can't be read as a kubeconfig"),
        ("kind: Config", "current-context is not set"),
        ("current-context: c", 'no context called "c"; there is: none'),
        (
            "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k, cluster: {}}]",
            "cluster k: server is not set",
        ),
    ],
)
def test_a_bad_kubeconfig_is_refused_with_its_field(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(ConfigError, match=complaint):
        load_kubeconfig(path)


def test_what_an_authority_issues_is_vouched_for_by_it() -> None:
    authority = new_authority("wherry")

    pair = issue(authority, NODE, ["client", "server"])

    certificate = x509.load_pem_x509_certificate(pair.certificate_pem.encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate_pem.encode()))
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert (certificate.not_valid_after_utc - datetime.now(UTC)).days in (364, 365)


def test_a_signing_request_becomes_a_certificate_for_whom_it_names() -> None:
    authority, key = new_authority("wherry"), new_key()
    request = signing_request(key, NODE)

    certificate = sign(authority, request, ["client"])

    assert requested_subject(request) == NODE
    loaded = x509.load_pem_x509_certificate(certificate.encode())
    assert loaded.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["n1"]


@pytest.mark.parametrize(
    "text", ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"]
)
def test_what_is_no_signing_request_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the signing request: can't be read"):
        requested_subject(text)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        ("0603551d12", "0603551d11"),  # Two extensions with other names, instead of one and one with names of issuers.
        ("8204656c7365", "a304656c7365"),  # An X.400 address instead of a DNS name.
        ("020100", "020105"),  # The sixth version of signing requests.
    ],
)
def test_a_request_that_no_program_makes_is_refused_like_any_other(part: str, instead: str) -> None:
    """Signed it is, by its own key: whoever may ask for a certificate may send it."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("else")]
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    builder = builder.add_extension(x509.IssuerAlternativeName(names), critical=False)
    told = builder.sign(key, hashes.SHA256()).tbs_certrequest_bytes
    told = told.replace(bytes.fromhex(part), bytes.fromhex(instead), 1)
    signature = b"\x03" + _sized(b"\0" + key.sign(told, ec.ECDSA(hashes.SHA256())))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    encoded = base64.encodebytes(b"\x30" + _sized(told + algorithm + signature)).decode()

    with pytest.raises(ValueError, match="the signing request: can't be read"):
        requested_subject(f"-----BEGIN CERTIFICATE REQUEST-----\n{encoded}-----END CERTIFICATE REQUEST-----\n")


def _sized(content: bytes) -> bytes:
    """Return what stands behind the tag of an ASN.1 value of less than 64 KiB: its length, and it."""
    return (b"\x82" + len(content).to_bytes(2, "big") if len(content) > 255 else _short(len(content))) + content


def _short(length: int) -> bytes:
    return bytes([length]) if length < 128 else bytes([0x81, length])


def test_a_pair_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    pair = Pair("CERT", "KEY")

    assert load_pair(tmp_path, "admin") is None
    save_pair(tmp_path, "admin", pair)

    assert load_pair(tmp_path, "admin") == pair
    assert stat.S_IMODE((tmp_path / "admin.key").stat().st_mode) == 0o600


def test_a_fingerprint_tells_authorities_apart() -> None:
    one, other = new_authority("wherry"), new_authority("wherry")

    assert len(fingerprint(one.certificate_pem)) == 64
    assert fingerprint(one.certificate_pem) != fingerprint(other.certificate_pem)


class Room(msgspec.Struct, frozen=True):
    """Settings as a room declares them."""

    data_dir: Path
    listen_port: int = 6443
    servers: tuple[str, ...] = ()
    is_open: bool = False


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("dataDir: /from/file\nlistenPort: 1\nservers: [a, b]\n")
    environ = {"WHERRY_LISTEN_PORT": "2", "WHERRY_IS_OPEN": "true", "OTHER": "x"}

    settings = load_settings(Room, flags={"listen_port": 3, "servers": None}, environ=environ, file=file)

    assert settings == Room(Path("/from/file"), 3, ("a", "b"), is_open=True)


def test_a_list_in_the_environment_has_commas() -> None:
    environ = {"WHERRY_SERVERS": "https://a, https://b", "WHERRY_DATA_DIR": "/x"}

    assert load_settings(Room, flags={}, environ=environ).servers == ("https://a", "https://b")


@pytest.mark.parametrize(
    ("text", "environ", "complaint"),
    [
        ("", {}, r"--data-dir \(or \$WHERRY_DATA_DIR\) is not set"),
        ("dataDir: /x", {"WHERRY_LISTEN_PORT": "many"}, r"^\$WHERRY_LISTEN_PORT: 'many': Expected `int`"),
        ("dataDir: /x\nport: 1", {}, "unknown: port; there is: dataDir, isOpen, listenPort, servers"),
        ("- a", {}, "is no map of settings"),
        ("a: 1\na: 2", {}, "line 2: key"),
    ],
)
def test_a_bad_setting_is_told_with_its_source(
    tmp_path: Path, text: str, environ: dict[str, str], complaint: str
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=complaint):
        load_settings(Room, flags={}, environ=environ, file=file)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield root
    root.handlers, root.level = handlers, level


def test_an_event_is_one_line_with_its_pairs(root_logger: logging.Logger) -> None:
    stream = io.StringIO()

    set_up_logging("info", stream=stream)
    logging.getLogger("room").info("pod\nstarted", extra={"pod": "default/web", "why": "it is due"})
    logging.getLogger("room").debug("unheard")

    moment, rest = stream.getvalue().split(" ", 1)
    assert datetime.fromisoformat(moment).tzinfo is not None
    assert rest == 'INFO room: pod\\nstarted pod=default/web why="it is due"\n'


def test_logs_can_be_json(root_logger: logging.Logger) -> None:
    stream = io.StringIO()

    set_up_logging("warning", as_json=True, stream=stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("room").exception("failed", extra={"pod": "default/web"})

    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["logger"], entry["msg"], entry["pod"]) == ("error", "room", "failed", "default/web")
    assert "ValueError: broken" in entry["error"]


def test_an_unknown_log_level_is_refused(root_logger: logging.Logger) -> None:
    with pytest.raises(ValueError, match="log level: loud; use debug, info, warning or error"):
        set_up_logging("loud")


def test_a_tree_deeper_than_any_path_is_removed_and_nothing_that_its_links_lead_to(tmp_path: Path) -> None:
    """A container can make folders in folders without end; its volume must go all the same."""
    kept, tree = tmp_path / "kept", tmp_path / "tree"
    (kept / "folder").mkdir(parents=True)
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        os.symlink(kept, "link", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)

    remove_deep(tree)

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "folder").is_dir()
