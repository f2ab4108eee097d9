"""What a pod asks for as a whole: its defaults, its rules against those of its containers, and how it is resized."""

import pytest

from apiserver.strategies.pod import qos_class
from kube.api.core_v1 import Pod
from kube.codec import to_plain
from tests.apiserver.material import context, defaulted, parsed, rules_of, told, wrongs

ONE = "containers: [{name: a, image: b}]"
LIMITED = (
    "resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}, containers: [{name: a, image: b},"
    " {name: c, image: b, resources: {requests: {cpu: 50m}}}]"
)
PODS = rules_of(Pod)


def of(spec: str) -> Pod:
    """Return a pod with its defaults."""
    return defaulted(Pod, f"metadata: {{name: web, namespace: default, generation: 1}}\nspec: {{{spec}}}")


@pytest.mark.parametrize(
    ("spec", "requests"),
    [
        (f"resources: {{limits: {{cpu: 1, memory: 1Gi}}}}, {ONE}", {"cpu": "1", "memory": "1Gi"}),
        (LIMITED.replace(", requests: {cpu: 500m}}, con", "}, con"), {"cpu": "50m", "memory": "1Gi"}),
        (f"resources: {{requests: {{cpu: 1}}}}, {ONE}", {"cpu": "1"}),
    ],
)
def test_a_pod_that_is_limited_asks_for_what_its_containers_do_or_else_for_all(
    spec: str, requests: dict[str, str]
) -> None:
    whole = of(spec).spec.resources

    assert whole is not None
    assert to_plain(whole)["requests"] == requests


def test_the_class_of_service_is_that_of_the_whole() -> None:
    assert qos_class(of(f"resources: {{limits: {{cpu: 1, memory: 1Gi}}}}, {ONE}").spec) == "Guaranteed"
    assert qos_class(of(LIMITED).spec) == "Burstable"


@pytest.mark.parametrize(
    ("spec", "sentences"),
    [
        (
            "resources: {requests: {cpu: 100m}}, containers: [{name: a, image: b, resources: {requests: {cpu: 1}}}]",
            [
                'spec.resources.requests[cpu]: Invalid value: "100m": must be greater than or equal to aggregate'
                " container requests of 1"
            ],
        ),
        (
            "resources: {limits: {cpu: 1}, requests: {cpu: 1}},"
            " containers: [{name: a, image: b, resources: {limits: {cpu: 2}, requests: {cpu: 1}}}]",
            [
                'spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits'
                " of 1"
            ],
        ),
        (
            f"resources: {{requests: {{ephemeral-storage: 1Gi}}}}, {ONE}",
            [
                'spec.resources.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values:'
                ' "cpu", "hugepages-", "memory"'
            ],
        ),
        (
            f"resources: {{claims: [{{name: x}}]}}, {ONE}",
            [
                "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
                'spec.resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is'
                " empty",
            ],
        ),
        (
            f"os: {{name: windows}}, resources: {{requests: {{cpu: 1}}}}, {ONE}",
            ["spec.resources: Forbidden: may not be set for a windows pod"],
        ),
    ],
)
def test_what_contradicts_itself_is_refused(spec: str, sentences: list[str]) -> None:
    assert wrongs(parsed(Pod, f"metadata: {{name: web, namespace: default}}\nspec: {{{spec}}}")) == sentences


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (("cpu: 1,", "cpu: 2,"), []),
        (
            ("cpu: 500m", "cpu: 20m"),
            [
                'spec.resources.requests[cpu]: Invalid value: "20m": must be greater than or equal to aggregate'
                " container requests of 50m"
            ],
        ),
        (
            ("cpu: 1, ", ""),
            ["spec.resources.limits: Forbidden: pod-level resource limits cannot be removed"],
        ),
        (
            ("resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}, ", ""),
            ["spec.resources: Forbidden: pod-level resources cannot be removed"],
        ),
        (
            ("cpu: 500m", "cpu: 1"),
            ['spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'],
        ),
    ],
)
def test_a_resize_may_change_how_much_a_whole_pod_has_and_no_more(
    change: tuple[str, str], sentences: list[str]
) -> None:
    old, wanted = of(LIMITED), of(LIMITED.replace(*change))

    new = PODS.prepare_subresource_update("resize", wanted, old, context())

    assert told(PODS.validate_subresource_update("resize", new, old)) == sentences
    assert new.metadata.generation == 2
