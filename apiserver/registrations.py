"""The APIServices that tell which group versions this server serves itself.

Writes them when the server starts: what is missing, what was changed, what is no longer served. Those that somebody
else keeps (without the label) stay as they are. apiregistration.k8s.io has none, as in Kubernetes.
Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from apiserver.groups import RANKS, groups, versions_of
from kube.api.apiregistration_v1 import APIService, APIServiceSpec
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client
from kube.errors import ApiError

AUTOMANAGED: Final = "kube-aggregator.kubernetes.io/automanaged"
AT_START: Final = "onstart"
_UNTOLD: Final = "apiregistration.k8s.io"
_VERSION_RANK: Final = 15
_VERSION_RANKS: Final = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("metrics.k8s.io", "v1beta1"): 100,
    ("resource.k8s.io", "v1"): 21,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One write that brings the APIServices to what is served."""

    verb: Literal["create", "update", "delete"]
    service: APIService


def served() -> Iterator[APIService]:
    """Yield an APIService for each group version that is served here."""
    for group in groups():
        for version in versions_of(group) if group != _UNTOLD else ():
            spec = APIServiceSpec(
                group=group,
                version=version,
                group_priority_minimum=RANKS[group],
                version_priority=_VERSION_RANKS.get((group, version), _VERSION_RANK),
            )
            meta = ObjectMeta(name=f"{version}.{group}", labels={AUTOMANAGED: AT_START})
            yield APIService(metadata=meta, spec=spec)


def plan(wanted: Iterable[APIService], found: Iterable[APIService]) -> Iterator[Step]:
    """Yield what is to be written. found: all that there are."""
    present: Mapping[str, APIService] = {service.metadata.name: service for service in found}
    names = set()
    for service in wanted:
        names.add(service.metadata.name)
        old = present.get(service.metadata.name)
        if old is None:
            yield Step("create", service)
        elif _is_ours(old) and old.spec != service.spec:
            yield Step("update", replace(old, spec=service.spec))
    yield from (Step("delete", old) for name, old in present.items() if _is_ours(old) and name not in names)


def _is_ours(service: APIService) -> bool:
    return service.metadata.labels.get(AUTOMANAGED) == AT_START


async def register(client: Client) -> None:
    """Tell what is served; several servers may be doing so."""
    found = (await client.list(APIService)).items
    async with asyncio.TaskGroup() as writes:
        for step in plan(served(), found):
            writes.create_task(_take(client, step))


async def _take(client: Client, step: Step) -> None:
    try:
        match step.verb:
            case "create":
                await client.create(step.service)
            case "update":
                await client.update(step.service)
            case "delete":
                await client.delete(APIService, step.service.metadata.name)
    except ApiError as error:
        if error.reason not in ("AlreadyExists", "Conflict", "NotFound"):
            raise
