"""Recorded sessions of the real kubectl, of seven versions: what a person reads.

Those in sessions/alone need nothing but an API server; those in sessions/running a cluster with a node.
"""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pytest

from kube.config import Access, load_kubeconfig, save_kubeconfig
from kube.errors import ApiError
from tests.e2e.conftest import Cluster, eventually, free_port, kubectl_binary, run
from tests.e2e.transcript import VERSIONS, steps
from wherry.cluster.nodes import machine_name
from wherry.connection import Connection, Unreachable

SESSIONS = Path(__file__).parent / "sessions"
FILES = SESSIONS / "files"


@dataclass(frozen=True)
class Server:
    """An API server in a process of its own, without nodes and controllers. home: kubectl's, kept for all sessions."""

    access: Access
    kubectl: str
    version: str
    home: Path

    def namespace(self) -> str:
        """Return a new namespace, with the account that its pods run as."""
        name = f"s-{uuid.uuid4().hex[:8]}"
        with closing(Connection(self.access)) as connection:
            connection.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            connection.send("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
        return name


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all sessions of one version of kubectl."""
    kubectl = kubectl_of(request.param)
    home, port = tmp_path_factory.mktemp("kubectl"), free_port()
    argv = [sys.executable, "-m", "apiserver", "--pki-dir", str(home / "pki"), "--port", str(port)]
    with subprocess.Popen([*argv, "--bind", "127.0.0.1", "--store", "memory:"], stderr=subprocess.DEVNULL) as process:
        try:
            eventually("the server is ready", lambda: _is_ready(home / "pki", port))
            yield Server(_access(home / "pki", port), kubectl, request.param, home)
        finally:
            process.terminate()


def kubectl_of(version: str) -> str:
    """Return the kubectl of a version; skips where this machine has none."""
    kubectl = kubectl_binary(version)
    if not kubectl.endswith(version):
        pytest.skip(f"this machine has no kubectl {version}")
    return kubectl


def _access(pki: Path, port: int) -> Access:
    authority, certificate, key = ((pki / name).read_text() for name in ("ca.crt", "admin.crt", "admin.key"))
    return Access(f"https://127.0.0.1:{port}", authority, certificate, key)


def _is_ready(pki: Path, port: int) -> bool:
    try:
        with closing(Connection(_access(pki, port))) as connection:
            return connection.request("GET", "/readyz").body == b"ok"
    except (FileNotFoundError, Unreachable, ApiError):
        return False


def recorded(place: str) -> list[str]:
    """Return the names of the sessions in a directory."""
    return sorted(path.stem for path in (SESSIONS / place).glob("*.txt"))


@dataclass(frozen=True)
class Person:
    """Somebody with kubectl. here: where their files lie; home: kubectl's, kept from session to session."""

    kubectl: str
    version: str
    access: Access
    namespace: str
    here: Path
    home: Path

    def environ(self) -> dict[str, str]:
        """Return the variables by which kubectl finds the cluster."""
        config = self.here / "kubeconfig"
        save_kubeconfig(config, replace(self.access, namespace=self.namespace), name="here")
        return {"HOME": str(self.home), "KUBECONFIG": str(config), "KUBECTL_APPLYSET": "true"}

    def relives(self, session: str) -> None:
        """Say what was said in a session; fail where the answers differ."""
        shutil.copytree(FILES, self.here, dirs_exist_ok=True)
        environ = self.environ()
        text = (SESSIONS / f"{session}.txt").read_text()
        text = text.replace("{ns}", self.namespace).replace("{node}", machine_name())
        for step in steps(text, self.version):
            argv = [self.kubectl, *step.words[1:]]
            done = run(argv, env={**environ, **step.environ}, cwd=self.here, is_merged=True)
            if told := step.difference(done.code, done.out):
                pytest.fail(told, pytrace=False)

    @contextmanager
    def begins(self, *words: str) -> Iterator[IO[str]]:
        """Start kubectl, give what it prints, and end it."""
        environ = {**os.environ, **self.environ()}
        with subprocess.Popen([self.kubectl, *words], env=environ, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout
            finally:
                process.terminate()


@pytest.fixture
def person(server: Server, tmp_path: Path) -> Person:
    """Somebody before an API server alone, in a namespace of their own."""
    return Person(server.kubectl, server.version, server.access, server.namespace(), tmp_path, server.home)


@pytest.mark.parametrize("session", recorded("alone"))
def test_kubectl_prints_what_it_does_with_kubernetes(person: Person, session: str) -> None:
    person.relives(f"alone/{session}")


def test_kubectl_tells_of_changes_as_they_happen(person: Person) -> None:
    path = f"/api/v1/namespaces/{person.namespace}/configmaps"
    with closing(Connection(person.access)) as connection, person.begins("get", "configmaps", "-w") as output:
        connection.send("POST", path, {"metadata": {"name": "first"}})
        assert output.readline().split() == ["NAME", "DATA", "AGE"]
        assert output.readline().split()[:2] == ["first", "0"]

        connection.send("POST", path, {"metadata": {"name": "second"}, "data": {"a": "1"}})
        assert output.readline().split()[:2] == ["second", "1"]


def test_kubectl_leads_others_to_the_server(person: Person) -> None:
    with person.begins("proxy", "--port=0") as output:
        line = output.readline()
        assert line.startswith("Starting to serve on 127.0.0.1:")

        with urllib.request.urlopen(f"http://{line.split()[-1]}/api/v1/namespaces/default", timeout=10) as answer:
            assert json.loads(answer.read())["metadata"]["name"] == "default"


@pytest.mark.root
@pytest.mark.parametrize("session", recorded("running"))
@pytest.mark.parametrize("version", VERSIONS)
def test_kubectl_prints_what_it_does_with_running_pods(
    version: str, session: str, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    access = load_kubeconfig(cluster.kubeconfig)
    Person(kubectl_of(version), version, access, namespace, tmp_path, tmp_path / "home").relives(f"running/{session}")
