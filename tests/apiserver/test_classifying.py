"""Which flow schema a request belongs to."""

from collections.abc import Mapping

import pytest

from apiserver.classifying import Asked, asked_of, schema_for, verb_of
from apiserver.flow_control import built_in_levels, built_in_schemas
from apiserver.identity import ANONYMOUS, AUTHENTICATED, User
from apiserver.paths import parse_path
from apiserver.server import ApiServer
from kube.api.flowcontrol_v1 import FlowSchema
from tests.apiserver.material import parsed
from tests.apiserver.wire import Wire

BOB = User("bob", ("devs", AUTHENTICATED))
NODE = User("system:node:n1", ("system:nodes", AUTHENTICATED))
MASTER = User("admin", ("system:masters", AUTHENTICATED))
CONTROLLER = User("system:serviceaccount:kube-system:c", ("system:serviceaccounts", AUTHENTICATED))
LEVELS = {level.metadata.name: level for level in built_in_levels()}
FLOW = "X-Kubernetes-PF-FlowSchema-UID"
LEVEL = "X-Kubernetes-PF-PriorityLevel-UID"


def asked(user: User, method: str, path: str, *, watches: bool = False) -> Asked:
    """Return what rules see of a request."""
    target = parse_path(path)
    return asked_of(user, verb_of(method, target, watches=watches), target, path)


def own_schema(rule: str, precedence: int = 5) -> FlowSchema:
    """Return a schema for bob, before nearly all others."""
    subject = "{kind: User, user: {name: bob}}"
    spec = f"matchingPrecedence: {precedence}, priorityLevelConfiguration: {{name: system}}"
    return parsed(
        FlowSchema, f"{{metadata: {{name: own}}, spec: {{{spec}, rules: [{{subjects: [{subject}], {rule}}}]}}}}"
    )


@pytest.mark.parametrize(
    ("user", "method", "path", "name"),
    [
        (MASTER, "GET", "/api/v1/pods", "exempt"),
        (BOB, "GET", "/api/v1/pods", "global-default"),
        (BOB, "GET", "/healthz", "probes"),
        (ANONYMOUS, "GET", "/version", "global-default"),
        (NODE, "PATCH", "/api/v1/nodes/n1/status", "system-node-high"),
        (NODE, "GET", "/api/v1/pods", "system-nodes"),
        (CONTROLLER, "PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "system-leader-election"),
        (CONTROLLER, "GET", "/api/v1/pods", "kube-system-service-accounts"),
    ],
)
def test_a_request_belongs_to_the_first_schema_that_matches(user: User, method: str, path: str, name: str) -> None:
    found = schema_for(asked(user, method, path), built_in_schemas(), LEVELS)

    assert found is not None
    assert found.metadata.name == name


@pytest.mark.parametrize(
    ("method", "path", "watches", "matches"),
    [
        ("GET", "/api/v1/namespaces/a/pods", False, True),
        ("GET", "/api/v1/namespaces/b/pods", False, False),
        ("GET", "/api/v1/pods", False, False),
        ("GET", "/api/v1/namespaces/a/pods", True, False),
        ("GET", "/api/v1/namespaces/a/pods/p", False, False),
        ("DELETE", "/api/v1/namespaces/a/pods", False, True),
        ("GET", "/api/v1/namespaces/a/pods/p/log", False, False),
        ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/a/pods", False, False),
    ],
)
def test_a_rule_for_resources_looks_at_all_that_it_names(
    method: str, path: str, *, watches: bool, matches: bool
) -> None:
    verbs = "verbs: [list, deletecollection], apiGroups: [''], resources: [pods], namespaces: [a]"
    schema = own_schema(f"resourceRules: [{{{verbs}}}]")

    assert (schema_for(asked(BOB, method, path, watches=watches), [schema], LEVELS) is schema) is matches


def test_a_rule_for_paths_may_cover_what_is_below() -> None:
    schema = own_schema("nonResourceRules: [{verbs: [get], nonResourceURLs: [/logs/*]}]")

    assert schema_for(asked(BOB, "GET", "/logs/a/b"), [schema], LEVELS) is schema
    assert schema_for(asked(BOB, "GET", "/logs"), [schema], LEVELS) is None


def test_a_schema_whose_level_does_not_exist_is_none() -> None:
    schema = own_schema("resourceRules: [{verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true}]")

    assert schema_for(asked(BOB, "GET", "/api/v1/nodes"), [schema], LEVELS) is schema
    assert schema_for(asked(BOB, "GET", "/api/v1/nodes"), [schema], ()) is None


async def test_every_answer_to_somebody_tells_the_schema_and_the_level_and_changes_with_them(wire: Wire) -> None:
    paths = ("/api/v1/pods", "/nosuch", "/api/v1/namespaces/no/pods/no", "/api/v1/pods?watch=true&timeoutSeconds=1")

    told = [(await wire.send("GET", path)).headers for path in paths]

    assert {headers[FLOW] for headers in told} == {await uid_of(wire, "flowschemas", "exempt")}
    assert {headers[LEVEL] for headers in told} == {await uid_of(wire, "prioritylevelconfigurations", "exempt")}


async def uid_of(wire: Wire, plural: str, name: str) -> str:
    """Return the uid of an object of flow control."""
    found = await wire.send("GET", f"/apis/flowcontrol.apiserver.k8s.io/v1/{plural}/{name}")
    return str(found.json["metadata"]["uid"])


async def test_a_new_schema_counts_from_the_next_request_on(wire: Wire) -> None:
    bob = {"Impersonate-User": "bob"}
    before = (await wire.send("GET", "/version", headers=bob)).headers
    schema: Mapping[str, object] = {
        "metadata": {"name": "own"},
        "spec": {
            "matchingPrecedence": 5,
            "priorityLevelConfiguration": {"name": "system"},
            "rules": [
                {
                    "subjects": [{"kind": "User", "user": {"name": "bob"}}],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                }
            ],
        },
    }
    made = await wire.send("POST", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", schema)

    after = (await wire.send("GET", "/version", headers=bob)).headers

    assert made.status == 201
    assert before[FLOW] != after[FLOW]


async def test_who_is_not_known_is_told_nothing(server: ApiServer) -> None:
    async with Wire.connect(server, token="nobody") as stranger:
        refused = await stranger.send("GET", "/api/v1/pods")

    assert refused.status == 401
    assert FLOW not in refused.headers
