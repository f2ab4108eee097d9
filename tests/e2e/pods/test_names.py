"""What a pod is called, whom it knows, and what its environment says: manifests/names.yaml."""

import pytest

from tests.e2e.pods.conftest import Place

pytestmark = pytest.mark.root


def test_names_hosts_and_resolver_are_as_the_pod_asks(place: Place) -> None:
    pod = place.ended("named")
    lines = place.do("logs", "named").splitlines()

    name = "alias.sub.pods.svc.cluster.local"
    assert lines[0] == name
    assert f"{pod['status']['podIP']}\t{name}\talias" in lines
    assert "10.9.8.7\telsewhere.example" in lines
    assert sorted(lines[-3:]) == ["nameserver 192.0.2.53", "options ndots:2", "search example.test"]


def test_the_environment_is_made_of_values_objects_fields_and_resources(place: Place) -> None:
    pod = place.ended("variables")
    lines = place.do("logs", "variables").splitlines()
    variables = dict(line.split("=", 1) for line in lines[:-1])

    expected = {
        "PLAIN": "plain",
        "C_greeting": "hello",
        "C_other": "there",
        "password": "sesame",
        "not.a-shell.name": "kept",
        "COMPOSED": "plain-hello-$(UNKNOWN)-$(PLAIN)",
        "KEY": "there",
        "SECRET": "sesame",
        "POD": "variables",
        "COLOR": "blue",
        "NOTE": "two words",
        "IP": pod["status"]["podIP"],
        "NODE": pod["spec"]["nodeName"],
        "CPU_M": "125",
        "CPU": "1",
        "MEMORY_MI": "16",
    }
    assert {name: variables.get(name) for name in expected} == expected
    assert "OPTIONAL" not in variables
    assert lines[-1] == "args plain $(PLAIN)"


def test_services_are_in_the_environment_unless_the_pod_wants_no_links(place: Place) -> None:
    place.ended("variables")
    place.ended("unlinked")

    assert "THE_SERVICE_SERVICE_PORT_WEB=80" in place.do("logs", "variables")
    unlinked = place.do("logs", "unlinked")
    assert "THE_SERVICE_SERVICE_HOST" not in unlinked
    assert "KUBERNETES_SERVICE_HOST" in unlinked, "the API itself is always told"
