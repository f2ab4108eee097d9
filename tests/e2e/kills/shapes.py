"""The kinds of pods that come and go while the node's agent is killed, and what each must have become in the end.

Each run of a container writes its own line into the pod's story, a file of the machine, before it does anything else;
so a second run of what must run once shows, whatever anybody's status says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

IMAGE: Final = "wherry.local/host"
STORY: Final = '"/stories/$POD"'
STAY: Final = "sleep 100000 & wait"
HOOK, ENDED = "hook", " ended"


@dataclass(frozen=True)
class Shape:
    """A kind of pod.

    story: what its containers have written when all is done. extra: lines that may stand anywhere, once at most.
    restarts, codes: by container, 0 where not named.
    """

    spec: Mapping[str, Any]
    phase: str
    story: Sequence[str]
    extra: Sequence[str] = ()
    restarts: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def is_cut_short(self) -> bool:
        """Whether how far it gets is a matter of time."""
        return self.reason == "DeadlineExceeded"

    @property
    def has_hook(self) -> bool:
        """Whether its container `main` has something to do before it is stopped."""
        return "preStop" in self.spec["containers"][0].get("lifecycle", {})


_PATIENT: Final = [{"operator": "Exists"}]
"""A node whose agent is killed again and again may be taken for lost; these pods stay nevertheless."""


def pod(name: str, shape: Shape, stories: str) -> dict[str, Any]:
    """Return a pod of a shape. stories: the folder of the machine that the containers write into."""
    volumes = [*shape.spec.get("volumes", ()), {"name": "stories", "hostPath": {"path": stories, "type": "Directory"}}]
    spec = {"tolerations": _PATIENT, **shape.spec, "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _container(name: str, script: str, *mounts: Mapping[str, str], **fields: Any) -> dict[str, Any]:
    """Return a container that tells of each run, and of its end by SIGTERM."""
    told = f"trap 'echo \"{name}{ENDED}\" >> {STORY}; exit 0' TERM; echo {name} >> {STORY}; {script}"
    return {
        "name": name,
        "image": IMAGE,
        "command": ["/bin/sh", "-c", told],
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "volumeMounts": [{"name": "stories", "mountPath": "/stories"}, *mounts],
        **fields,
    }


def _shell(script: str) -> dict[str, Any]:
    return {"exec": {"command": ["/bin/sh", "-c", script]}}


def _once(main: dict[str, Any], phase: str, **fields: Any) -> Shape:
    return Shape({"restartPolicy": "Never", "containers": [main]}, phase, ["main"], **fields)


_UP: Final = {**_shell("test -e /tmp/up"), "periodSeconds": 1, "timeoutSeconds": 30, "failureThreshold": 60}
_SCRATCH: Final = {"name": "scratch", "mountPath": "/scratch"}
_AGAIN: Final = f"$(grep -c '^main$' {STORY}) -ge 3"

_VOLUMES: Final = (
    {"name": "words", "configMap": {"name": "words"}},
    {"name": "hidden", "secret": {"secretName": "hidden"}},
    {"name": "scratch", "emptyDir": {"medium": "Memory"}},
    {"name": "facts", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
)
_MOUNTED: Final = (
    'test "$(cat /words/a /hidden/b /facts/name)" = "onetwo$POD" && test "$(cat /part)" = one && touch /scratch/file '
    f"|| exit 9; {STAY}"
)

SHAPES: Final = {
    "succeeds": _once(_container("main", "sleep 0.3; exit 0"), "Succeeded"),
    "fails": _once(_container("main", "exit 3"), "Failed", codes={"main": 3}),
    "retries": Shape(
        {"restartPolicy": "OnFailure", "containers": [_container("main", f"test {_AGAIN} || exit 5")]},
        "Succeeded",
        ["main"] * 3,
        restarts={"main": 2},
    ),
    "returns": Shape(
        {"containers": [_container("main", f"test {_AGAIN} || exit 0; {STAY}")]},
        "Running",
        ["main"] * 3,
        restarts={"main": 2},
    ),
    "stays": Shape({"containers": [_container("main", STAY)]}, "Running", ["main"]),
    "serves": Shape(
        {
            "containers": [
                _container(
                    "main",
                    f"sleep 0.2; touch /tmp/up; {STAY}",
                    startupProbe=_UP,
                    readinessProbe=_UP,
                    livenessProbe=_UP,
                    lifecycle={"preStop": _shell(f"sleep 0.3; echo {HOOK} >> {STORY}")},
                )
            ]
        },
        "Running",
        ["main"],
    ),
    "begins": Shape(
        {
            "containers": [
                _container("main", STAY, lifecycle={"postStart": _shell(f"sleep 0.3; echo begun >> {STORY}")})
            ]
        },
        "Running",
        ["main"],
        extra=["begun"],
    ),
    "revives": Shape(
        {
            "containers": [
                _container(
                    "main",
                    f"test -e /scratch/1 && touch /scratch/2; touch /scratch/1; {STAY}",
                    _SCRATCH,
                    livenessProbe={
                        **_shell("test -e /scratch/2"),
                        "initialDelaySeconds": 1,
                        "periodSeconds": 1,
                        "timeoutSeconds": 30,
                        "failureThreshold": 1,
                    },
                )
            ],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
        "Running",
        ["main", "main ended", "main"],
        restarts={"main": 1},
    ),
    "prepares": Shape(
        {
            "restartPolicy": "Never",
            "initContainers": [
                _container("one", "sleep 0.2; exit 0"),
                _container("side", f"touch /tmp/up; {STAY}", restartPolicy="Always", startupProbe=_UP),
                _container("two", "exit 0"),
            ],
            "containers": [_container("main", "sleep 0.2; exit 0")],
        },
        "Succeeded",
        ["one", "side", "two", "main", "side ended"],
    ),
    "balks": Shape(
        {
            "restartPolicy": "Never",
            "initContainers": [_container("one", "exit 7")],
            "containers": [_container("main", "exit 0")],
        },
        "Failed",
        ["one"],
        codes={"one": 7},
    ),
    "mounts": Shape(
        {
            "restartPolicy": "Never",
            "containers": [
                _container(
                    "main",
                    _MOUNTED,
                    {"name": "words", "mountPath": "/words"},
                    {"name": "hidden", "mountPath": "/hidden"},
                    {"name": "facts", "mountPath": "/facts"},
                    {"name": "words", "mountPath": "/part", "subPath": "a"},
                    _SCRATCH,
                )
            ],
            "volumes": list(_VOLUMES),
        },
        "Running",
        ["main"],
    ),
    "overdue": Shape(
        {"restartPolicy": "Never", "activeDeadlineSeconds": 3, "containers": [_container("main", STAY)]},
        "Failed",
        ["main", "main ended"],
        reason="DeadlineExceeded",
    ),
}
