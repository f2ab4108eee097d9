"""What a node's agent may write over HTTPS: what is its own, whatever it puts into the body."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.node_restriction import is_its_own_label
from apiserver.server import ApiServer
from kube.pki import Subject, issue, new_key, save_pair, signing_request
from tests.apiserver.wire import Wire, pod

NODES = "/api/v1/nodes"
PODS = "/api/v1/namespaces/default/pods"
VOLUMES = "/api/v1/persistentvolumes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
TOKEN = "/api/v1/namespaces/default/serviceaccounts/default/token"
MERGE = "application/merge-patch+json"
MIRROR = {"kubernetes.io/config.mirror": "sum"}


@pytest.fixture
async def here(server: ApiServer) -> AsyncIterator[Wire]:
    """HTTPS as the agent of the node `here`, which has registered."""
    subject = Subject("system:node:here", ("system:nodes",))
    save_pair(server.credentials.directory, "node-here", issue(server.credentials.authority, subject, ("client",)))
    async with Wire.connect(server, client="node-here") as agent:
        registered = await agent.send("POST", NODES, {"metadata": {"name": "here"}})
        assert registered.status == 201
        yield agent


def mirror_pod(**fields: Any) -> dict[str, Any]:
    """Return a pod such as stands for a file on the node."""
    made = pod("mirror", **{"nodeName": "here", **fields})
    made["metadata"]["annotations"] = MIRROR
    return made


async def test_an_agent_makes_no_pods_that_would_show_it_secrets(here: Wire, wire: Wire) -> None:
    """A node may read what its pods refer to, so it must not be the one who says what they refer to."""
    await wire.send("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "precious"}})
    secret = {"name": "v", "secret": {"secretName": "precious"}}

    ordinary = await here.send("POST", PODS, pod(nodeName="here"))
    curious = await here.send("POST", PODS, mirror_pod(volumes=[secret]))
    another = await here.send("POST", PODS, mirror_pod(nodeName="there"))
    account = await here.send("POST", PODS, mirror_pod(serviceAccountName="default"))
    honest = await here.send("POST", PODS, mirror_pod())
    read = await here.send("GET", "/api/v1/namespaces/default/secrets/precious")

    assert [reply.status for reply in (ordinary, curious, another, account)] == [403] * 4
    assert "can only create mirror pods" in ordinary.json["message"]
    assert (honest.status, read.status) == (201, 403)


@pytest.mark.parametrize(
    "spec",
    [
        {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
        {
            "volumes": [
                {
                    "name": "v",
                    "ephemeral": {
                        "volumeClaimTemplate": {
                            "spec": {
                                "accessModes": ["ReadWriteOnce"],
                                "resources": {"requests": {"storage": "1Gi"}},
                            }
                        }
                    },
                }
            ]
        },
        {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]},
        {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "gpu"}]},
    ],
    ids=["claim", "claim made for it", "devices", "devices claimed for it"],
)
async def test_an_agent_makes_no_pods_that_would_claim_anything(here: Wire, spec: dict[str, Any]) -> None:
    """What is claimed for a pod is made by controllers, who may do more than a node."""
    assert (await here.send("POST", PODS, mirror_pod(**spec))).status == 403


async def test_an_agent_registers_no_other_node_and_renews_no_other_lease(here: Wire) -> None:
    other = await here.send("POST", NODES, {"metadata": {"name": "there"}})
    generated = await here.send("POST", NODES, {"metadata": {"generateName": "there-"}})
    lease = await here.send("POST", LEASES, {"metadata": {"name": "there"}})
    own = await here.send("POST", LEASES, {"metadata": {"name": "here"}})

    assert [reply.status for reply in (other, generated, lease, own)] == [403, 403, 403, 201]


async def test_an_agent_gives_its_node_no_labels_that_draw_pods_and_keeps_its_taints(here: Wire, wire: Wire) -> None:
    taint = {"key": "guarded", "effect": "NoSchedule"}
    await wire.send("PATCH", f"{NODES}/here", {"spec": {"taints": [taint]}}, content_type=MERGE)

    def labelled(key: str) -> dict[str, Any]:
        return {"metadata": {"labels": {key: "x"}}}

    guarded = await here.send(
        "PATCH", f"{NODES}/here", labelled("node-restriction.kubernetes.io/pci"), content_type=MERGE
    )
    through_status = await here.send(
        "PATCH", f"{NODES}/here/status", labelled("node-role.kubernetes.io/control-plane"), content_type=MERGE
    )
    untainted = await here.send("PATCH", f"{NODES}/here", {"spec": {"taints": None}}, content_type=MERGE)
    own = await here.send("PATCH", f"{NODES}/here", labelled("topology.kubernetes.io/zone"), content_type=MERGE)

    assert [reply.status for reply in (guarded, through_status, untainted, own)] == [403, 403, 403, 200]


async def test_an_agent_gets_only_tokens_that_are_bound_to_its_pods(here: Wire, wire: Wire) -> None:
    uids = {}
    for name, node in (("mine", "here"), ("theirs", "there")):
        made = await wire.send("POST", PODS, pod(name, nodeName=node))
        uids[name] = made.json["metadata"]["uid"]

    def bound(name: str) -> dict[str, Any]:
        reference = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uids[name]}
        return {"spec": {"boundObjectRef": reference}}

    unbound = await here.send("POST", TOKEN, {"spec": {}})
    theirs = await here.send("POST", TOKEN, bound("theirs"))
    mine = await here.send("POST", TOKEN, bound("mine"))

    assert [reply.status for reply in (unbound, theirs, mine)] == [403, 403, 201]


async def test_an_agent_evicts_and_relabels_only_as_it_may(here: Wire, wire: Wire) -> None:
    for name, node in (("mine", "here"), ("theirs", "there")):
        await wire.send("POST", PODS, pod(name, nodeName=node))
    labels = {"metadata": {"labels": {"app": "bank"}}}

    relabelled = await here.send("PATCH", f"{PODS}/mine/status", labels, content_type=MERGE)
    theirs = await here.send("POST", f"{PODS}/theirs/eviction", {"metadata": {"name": "theirs"}})
    mine = await here.send("POST", f"{PODS}/mine/eviction", {"metadata": {"name": "mine"}})

    assert [reply.status for reply in (relabelled, theirs, mine)] == [403, 403, 201]


@pytest.mark.parametrize(
    ("key", "is_its_own"),
    [
        ("disk", True),
        ("example.com/rack", True),
        ("kubernetes.io/hostname", True),
        ("node.kubernetes.io/instance-type", True),
        ("kubernetes.io/other", False),
        ("node-role.kubernetes.io/control-plane", False),
        ("node-restriction.kubernetes.io/pci", False),
        ("sub.k8s.io/x", False),
    ],
)
def test_a_node_may_give_itself_labels_about_itself(key: str, *, is_its_own: bool) -> None:
    assert is_its_own_label(key) == is_its_own


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("here", 201),
        ("192.0.2.7", 201),
        ("kubernetes", 403),
        ("Kubernetes.Default", 403),
        ("*.example.com", 403),
        ("bank.default.svc", 403),
        ("kubernetes.default.svc.cluster.local.", 403),
        ("10.96.0.1", 403),
    ],
)
async def test_a_node_gets_no_certificate_to_pass_for_a_service(here: Wire, address: str, status: int) -> None:
    """Pods trust the authority that signs for nodes when they speak to the API."""
    subject = Subject("system:node:here", ("system:nodes",), (address,))
    spec = {
        "request": base64.b64encode(signing_request(new_key(), subject).encode()).decode(),
        "signerName": "kubernetes.io/kubelet-serving",
        "usages": ["digital signature", "server auth"],
    }

    reply = await here.send(
        "POST",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        {"metadata": {"generateName": "here-"}, "spec": spec},
    )

    assert reply.status == status


async def test_an_agent_lets_go_of_volumes_on_its_node_and_changes_nothing_else_of_them(here: Wire, wire: Wire) -> None:
    """A volume that led to another node would give its agent files there."""
    for name in ("here", "there"):
        volume = {
            "metadata": {"name": name, "labels": {"wherry.dev/node": name}, "finalizers": ["wherry.dev/local-path"]},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": "/srv"},
                "persistentVolumeReclaimPolicy": "Delete",
            },
        }
        assert (await wire.send("POST", VOLUMES, volume)).status == 201
    own = (await here.send("GET", f"{VOLUMES}/here")).json
    theirs = (await here.send("GET", f"{VOLUMES}/there")).json
    kept = {**own["metadata"], "finalizers": ["kubernetes.io/pv-protection"]}

    larger = await here.send("PUT", f"{VOLUMES}/here", {**own, "spec": {**own["spec"], "capacity": {"storage": "2Gi"}}})
    other = await here.send("PUT", f"{VOLUMES}/there", {**theirs, "metadata": {**theirs["metadata"], "finalizers": []}})
    freed = await here.send("PUT", f"{VOLUMES}/here", {**own, "metadata": kept})
    deleted = await here.send("DELETE", f"{VOLUMES}/here")

    assert [reply.status for reply in (larger, other, freed, deleted)] == [403, 403, 200, 200]
