"""The requests that clients make most, in the order of a pod's life: each can be made once for each number."""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from bench._pods import PODS, pod

EVENTS: Final = "/api/v1/namespaces/default/events"
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
JSON: Final = "application/json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
MERGE: Final = "application/merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"
MOMENT: Final = "2026-01-02T03:04:05Z"


class Request(NamedTuple):
    """What `Subject.send` takes."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = JSON


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _shared(number: int) -> str:
    return f"{PODS}/shared-{number}"


def _create(number: int) -> Request:
    return Request("POST", PODS, _json(pod(f"shared-{number}")))


def _create_alone(number: int) -> Request:
    return Request("POST", PODS, _json(pod(f"alone-{number}", is_alone=True)))


def _bind(number: int) -> Request:
    target = {"apiVersion": "v1", "kind": "Node", "name": f"node-{number % 10}"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": f"shared-{number}"}, "target": target}
    return Request("POST", f"{_shared(number)}/binding", _json(binding))


def _run(number: int) -> Request:
    """Return what a node agent says once the containers run."""
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": MOMENT, "observedGeneration": 1}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    ]
    state = {"state": {"running": {"startedAt": MOMENT}}, "ready": True, "started": True, "restartCount": 0}
    image = {"image": "web:1.2.3", "imageID": "sha256:1", "containerID": f"wherry://{number}"}
    containers = [{"name": f"main-{index}", **image, **state} for index in range(2)]
    addresses = {"hostIP": "10.0.0.1", "podIP": "10.244.0.7", "podIPs": [{"ip": "10.244.0.7"}]}
    status = {"phase": "Running", "startTime": MOMENT, "conditions": conditions, "containerStatuses": containers}
    return Request("PATCH", f"{_shared(number)}/status", _json({"status": {**status, **addresses}}), STRATEGIC)


def _report(number: int) -> Request:
    condition = {"type": "Ready", "status": "False", "message": f"turn {number}"}
    return Request("PATCH", f"{_shared(number)}/status", _json({"status": {"conditions": [condition]}}), STRATEGIC)


def _put_status(number: int, found: Any) -> Request:
    found["status"]["message"] = f"turn {number}"
    return Request("PUT", f"{_shared(number)}/status", _json(found))


def _put(number: int, found: Any) -> Request:
    found["metadata"]["annotations"]["example.org/turn"] = str(number)
    return Request("PUT", _shared(number), _json(found))


def _label(number: int) -> Request:
    return Request("PATCH", _shared(number), _json({"metadata": {"labels": {"turn": f"a{number}"}}}), STRATEGIC)


def _merge(number: int) -> Request:
    return Request("PATCH", _shared(number), _json({"metadata": {"labels": {"turn": f"b{number}"}}}), MERGE)


def _applied(number: int, turn: str) -> Request:
    config = pod(f"applied-{number}")
    config["metadata"]["labels"]["turn"] = turn
    return Request("PATCH", f"{PODS}/applied-{number}?fieldManager=bench&force=true", _json(config), APPLY)


def _tell(number: int) -> Request:
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": f"shared-{number}", "uid": str(number)}
    event = {
        "metadata": {"name": f"shared-{number}.17a", "namespace": "default"},
        "involvedObject": about,
        "reason": "Started",
        "message": "Started container main-0",
        "source": {"component": "kubelet", "host": "node-0"},
        "firstTimestamp": MOMENT,
        "lastTimestamp": MOMENT,
        "count": 1,
        "type": "Normal",
        "reportingComponent": "kubelet",
        "reportingInstance": "node-0",
    }
    return Request("POST", EVENTS, _json(event))


def _lease(number: int) -> Any:
    spec = {"holderIdentity": f"node-{number}", "leaseDurationSeconds": 40, "renewTime": "2026-01-02T03:04:05.000000Z"}
    meta = {"name": f"node-{number}", "namespace": "default"}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}


def _renew(number: int, found: Any) -> Request:
    found["spec"]["renewTime"] = "2026-01-02T03:04:15.000000Z"
    return Request("PUT", f"{LEASES}/node-{number}", _json(found))


Make = Callable[[int, Any], Request]
"""Makes the request for a number, given what was read at the path that goes with it."""


class Kind(NamedTuple):
    """One kind of request. reads: where what it begins with is read first; None: it begins with nothing."""

    make: Make
    reads: Callable[[int], str] | None = None


def _plain(make: Callable[[int], Request]) -> Kind:
    return Kind(lambda number, _found: make(number))


KINDS: Final = {
    "POST of a pod of a template": _plain(_create),
    "POST of a pod like no other": _plain(_create_alone),
    "POST of a binding": _plain(_bind),
    "PATCH of a status: it runs": _plain(_run),
    "PATCH of a status: a condition": _plain(_report),
    "PUT of a status": Kind(_put_status, _shared),
    "PUT of a pod": Kind(_put, _shared),
    "PATCH of a label, strategic": _plain(_label),
    "PATCH of a label, merge": _plain(_merge),
    "GET of a pod": _plain(lambda number: Request("GET", _shared(number))),
    "apply of a new pod": _plain(lambda number: _applied(number, "a")),
    "apply of a change": _plain(lambda number: _applied(number, "b")),
    "POST of an Event": _plain(_tell),
    "POST of a Lease": _plain(lambda number: Request("POST", LEASES, _json(_lease(number)))),
    "PUT of a Lease": Kind(_renew, lambda number: f"{LEASES}/node-{number}"),
    "DELETE of a pod, at once": _plain(lambda number: Request("DELETE", f"{PODS}/alone-{number}")),
    "DELETE of a pod, to begin": _plain(lambda number: Request("DELETE", _shared(number))),
    "DELETE of a pod, to end": _plain(
        lambda number: Request("DELETE", _shared(number), _json({"gracePeriodSeconds": 0}))
    ),
}
