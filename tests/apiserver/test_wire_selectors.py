"""Field and label selectors over HTTPS: which fields each kind has, and what is said of any other."""

from urllib.parse import quote

import pytest

from tests.apiserver.wire import Wire, pod

CORE = "/api/v1"
FIELDS = {
    f"{CORE}/events": [
        *(f"involvedObject.{name}" for name in ("apiVersion", "fieldPath", "kind", "name", "namespace", "uid")),
        "involvedObject.resourceVersion",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    "/apis/events.k8s.io/v1/events": [
        *(f"regarding.{name}" for name in ("apiVersion", "fieldPath", "kind", "name", "namespace", "uid")),
        "regarding.resourceVersion",
        "reason",
        "reportingController",
        "type",
    ],
    f"{CORE}/namespaces": ["status.phase"],
    f"{CORE}/nodes": ["spec.unschedulable"],
    f"{CORE}/pods": [
        *(f"spec.{name}" for name in ("host", "hostNetwork", "nodeName", "restartPolicy", "schedulerName")),
        "spec.serviceAccountName",
        *(f"status.{name}" for name in ("nominatedNodeName", "phase", "podIP", "podIPs")),
    ],
    f"{CORE}/replicationcontrollers": ["status.replicas"],
    f"{CORE}/secrets": ["type"],
    f"{CORE}/services": ["spec.clusterIP", "spec.type"],
    "/apis/batch/v1/jobs": ["status.successful"],
    "/apis/certificates.k8s.io/v1/certificatesigningrequests": ["spec.signerName"],
    "/apis/resource.k8s.io/v1/resourceslices": ["spec.driver", "spec.nodeName"],
}
ONLY_METADATA = '"{}" is not a known field selector: only "metadata.name", "metadata.namespace"'
REFUSALS = {
    "/api/v1/configmaps": ONLY_METADATA,
    "/apis/apps/v1/replicasets": ONLY_METADATA,
    "/apis/autoscaling/v1/horizontalpodautoscalers": ONLY_METADATA,
    "/apis/batch/v1/jobs": 'field label "{}" not supported for Job',
    "/apis/resource.k8s.io/v1/resourceslices": (
        "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {}"
    ),
}
EVERYWHERE = ("metadata.name", "metadata.namespace")


@pytest.mark.parametrize("path", [*FIELDS, *(path for path in REFUSALS if path not in FIELDS)])
async def test_a_kind_has_its_field_selectors_and_no_others(wire: Wire, path: str) -> None:
    known = {*EVERYWHERE, *FIELDS.get(path, ())}

    for field in sorted({*EVERYWHERE, *(name for names in FIELDS.values() for name in names), "spec.colour"}):
        reply = await wire.send("GET", f"{path}?fieldSelector={quote(field)}%21%3Dx")
        if field in known:
            assert reply.status == 200, field
        else:
            refusal = REFUSALS.get(path, "field label not supported: {}").format(field)
            assert (reply.status, reply.reason, reply.json["message"]) == (400, "BadRequest", refusal)


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("app=web,", "found '', expected: identifier after ','"),
        ("app=web,,x", "found ',', expected: identifier after ','"),
        (",app", "found ',', expected: !, identifier, or 'end of string'"),
        ("app=a=b", "found '=', expected: ',' or 'end of string'"),
        ("!app=a", "found '=', expected: ',' or 'end of string'"),
        ("app in a", "unable to parse requirement: found 'a' expected: '('"),
        ("app in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("app>b", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("/app=web", 'unable to parse requirement: <nil>: Invalid value: "/app": prefix part must be non-empty'),
        ("app=-", 'unable to parse requirement: values[0][app]: Invalid value: "-": a valid label must be'),
    ],
)
async def test_a_bad_label_selector_is_refused_with_what_was_found(wire: Wire, selector: str, message: str) -> None:
    reply = await wire.send("GET", f"/api/v1/pods?labelSelector={quote(selector)}")

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert message in reply.json["message"]


async def test_an_old_name_of_a_field_still_selects(wire: Wire) -> None:
    """The first clients of Kubernetes called a pod's node its host."""
    await wire.send("POST", "/api/v1/namespaces/default/pods", pod(nodeName="here"))

    found = (await wire.send("GET", "/api/v1/pods?fieldSelector=spec.host%3Dhere")).json

    assert [item["metadata"]["name"] for item in found["items"]] == ["web"]
