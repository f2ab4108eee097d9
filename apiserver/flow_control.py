"""The flow schemas and priority levels that every cluster has, and the one thing that is observed of a schema.

Writes the built-in FlowSchemas and PriorityLevelConfigurations: those that must be are put back whatever was made of
them, the others as long as their annotation asks for it, or nobody has changed them. Tells of each schema whether its
level exists. This server doesn't queue by them.
Source: kubernetes.io/docs/concepts/cluster-administration/flow-control, the sections on defaults and on maintenance.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeVar

from msgspec.structs import replace

from apiserver.strategies.flows import EXEMPT, with_dangling
from kube.api.flowcontrol_v1 import (
    ExemptPriorityLevelConfiguration,
    FlowDistinguisherMethod,
    FlowSchema,
    FlowSchemaSpec,
    GroupSubject,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationReference,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
    UserSubject,
)
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client
from kube.errors import ApiError
from kube.objects import with_metadata

AUTOUPDATE: Final = "apf.kubernetes.io/autoupdate-spec"
CATCH_ALL: Final = "catch-all"
MANDATORY: Final = (EXEMPT, CATCH_ALL)

B = TypeVar("B", FlowSchema, PriorityLevelConfiguration)


def built_in_levels() -> Iterator[PriorityLevelConfiguration]:
    """Yield the priority levels that every cluster has."""
    exempt = ExemptPriorityLevelConfiguration(lendable_percent=0, nominal_concurrency_shares=0)
    yield _level(EXEMPT, PriorityLevelConfigurationSpec(type="Exempt", exempt=exempt))
    yield _limited(CATCH_ALL, 5, 0)
    for name, shares, lendable, queues, hand in (
        ("global-default", 20, 50, 128, 6),
        ("leader-election", 10, 0, 16, 4),
        ("node-high", 40, 25, 64, 6),
        ("system", 30, 33, 64, 6),
        ("workload-high", 40, 50, 128, 6),
        ("workload-low", 100, 90, 128, 6),
    ):
        yield _limited(
            name, shares, lendable, QueuingConfiguration(queues=queues, hand_size=hand, queue_length_limit=50)
        )


def _limited(
    name: str, shares: int, lendable: int, queuing: QueuingConfiguration | None = None
) -> PriorityLevelConfiguration:
    limited = LimitedPriorityLevelConfiguration(
        nominal_concurrency_shares=shares,
        lendable_percent=lendable,
        limit_response=LimitResponse(type="Queue" if queuing else "Reject", queuing=queuing),
    )
    return _level(name, PriorityLevelConfigurationSpec(type="Limited", limited=limited))


def _level(name: str, spec: PriorityLevelConfigurationSpec) -> PriorityLevelConfiguration:
    return PriorityLevelConfiguration(metadata=_metadata(name), spec=spec)


def _metadata(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, annotations={AUTOUPDATE: "true"})


def _group(name: str) -> Subject:
    return Subject(kind="Group", group=GroupSubject(name=name))


def _user(name: str) -> Subject:
    return Subject(kind="User", user=UserSubject(name=name))


_EVERYBODY: Final = (_group("system:unauthenticated"), _group("system:authenticated"))
_CONTROLLERS: Final = _user("system:kube-controller-manager")
_SCHEDULER: Final = _user("system:kube-scheduler")
_NODES: Final = (_group("system:nodes"),)
_SYSTEM_ACCOUNTS: Final = Subject(
    kind="ServiceAccount", service_account=ServiceAccountSubject(namespace="kube-system", name="*")
)
_ALL: Final = ("*",)
_ALL_RESOURCES: Final = ResourcePolicyRule(
    verbs=_ALL, api_groups=_ALL, resources=_ALL, cluster_scope=True, namespaces=_ALL
)
_ALL_PATHS: Final = NonResourcePolicyRule(verbs=_ALL, non_resource_urls=_ALL)
_HEALTH: Final = NonResourcePolicyRule(verbs=("get",), non_resource_urls=("/healthz", "/readyz", "/livez"))
_NODE_STATUS: Final = replace(_ALL_RESOURCES, api_groups=("",), resources=("nodes", "nodes/status"))


def _leases(*verbs: str) -> ResourcePolicyRule:
    groups = ("coordination.k8s.io",)
    return ResourcePolicyRule(verbs=verbs, api_groups=groups, resources=("leases",), namespaces=_ALL)


def built_in_schemas() -> Iterator[FlowSchema]:
    """Yield the flow schemas that every cluster has."""
    leaders = (_CONTROLLERS, _SCHEDULER, _SYSTEM_ACCOUNTS)
    yield _schema(EXEMPT, EXEMPT, 1, "", (_group("system:masters"),))
    yield _schema("probes", EXEMPT, 2, "", _EVERYBODY, (), (_HEALTH,))
    electing = (_leases("get", "create", "update"),)
    yield _schema("system-leader-election", "leader-election", 100, "ByUser", leaders, electing, ())
    yield _schema("system-node-high", "node-high", 400, "ByUser", _NODES, (_NODE_STATUS, _leases("*")), ())
    yield _schema("system-nodes", "system", 500, "ByUser", _NODES)
    yield _schema("kube-controller-manager", "workload-high", 800, "ByNamespace", (_CONTROLLERS,))
    yield _schema("kube-scheduler", "workload-high", 800, "ByNamespace", (_SCHEDULER,))
    yield _schema("kube-system-service-accounts", "workload-high", 900, "ByNamespace", (_SYSTEM_ACCOUNTS,))
    yield _schema("service-accounts", "workload-low", 9000, "ByUser", (_group("system:serviceaccounts"),))
    yield _schema("global-default", "global-default", 9900, "ByUser", _EVERYBODY)
    yield _schema(CATCH_ALL, CATCH_ALL, 10_000, "ByUser", _EVERYBODY)


def _schema(  # noqa: PLR0917 - a row of a table.
    name: str,
    level: str,
    precedence: int,
    distinguisher: str,
    subjects: tuple[Subject, ...],
    resources: tuple[ResourcePolicyRule, ...] = (_ALL_RESOURCES,),
    paths: tuple[NonResourcePolicyRule, ...] = (_ALL_PATHS,),
) -> FlowSchema:
    rules = PolicyRulesWithSubjects(subjects=subjects, resource_rules=resources, non_resource_rules=paths)
    spec = FlowSchemaSpec(
        distinguisher_method=FlowDistinguisherMethod(type=distinguisher) if distinguisher else None,
        matching_precedence=precedence,
        priority_level_configuration=PriorityLevelConfigurationReference(name=level),
        rules=(rules,),
    )
    return FlowSchema(metadata=_metadata(name), spec=spec)


def kept(wanted: B, found: B) -> B:
    """Return a built-in object as it should be. found: as it is; returned where nothing is to be done."""
    is_kept = wanted.metadata.name in MANDATORY or _is_automatic(found)
    annotations = {**found.metadata.annotations, AUTOUPDATE: "true" if is_kept else "false"}
    spec = _spec_with_users_part(wanted, found) if is_kept else found.spec
    if spec == found.spec and annotations == found.metadata.annotations:
        return found
    return replace(with_metadata(found, annotations=annotations), spec=spec)


def _is_automatic(found: FlowSchema | PriorityLevelConfiguration) -> bool:
    """Say whether a built-in object follows the server's version; without a word it does until somebody changes it."""
    told = found.metadata.annotations.get(AUTOUPDATE, "")
    return told == "true" or (told != "false" and found.metadata.generation == 1)


def _spec_with_users_part(wanted: B, found: B) -> FlowSchemaSpec | PriorityLevelConfigurationSpec:
    """Return the spec that is wanted. What the exempt level lends to others is the users' own affair."""
    if isinstance(found, PriorityLevelConfiguration) and isinstance(wanted, PriorityLevelConfiguration):
        exempt = found.spec.exempt
        return replace(wanted.spec, exempt=exempt) if wanted.spec.exempt and exempt else wanted.spec
    return wanted.spec


def observed(schemas: Iterable[FlowSchema], levels: Mapping[str, object], now: datetime) -> Iterator[FlowSchema]:
    """Yield the schemas that say of their level what isn't so, with what is. levels: those that exist, by name."""
    for schema in schemas:
        told = with_dangling(schema, exists=schema.spec.priority_level_configuration.name in levels, now=now)
        if told is not schema:
            yield told


async def keep_flows(client: Client, now: datetime) -> None:
    """Bring the built-in objects to what they should be, and tell schemas whether their levels exist."""
    levels = {level.metadata.name: level for level in (await client.list(PriorityLevelConfiguration)).items}
    schemas = {schema.metadata.name: schema for schema in (await client.list(FlowSchema)).items}
    async with asyncio.TaskGroup() as writes:
        for wanted in built_in_levels():
            writes.create_task(_keep(client, wanted, levels.get(wanted.metadata.name)))
    levels |= {wanted.metadata.name: wanted for wanted in built_in_levels()}
    async with asyncio.TaskGroup() as writes:
        for schema in built_in_schemas():
            writes.create_task(_keep(client, schema, schemas.get(schema.metadata.name)))
        for told in observed(schemas.values(), levels, now):
            writes.create_task(_tell(client, told))


async def _keep(client: Client, wanted: B, found: B | None) -> None:
    """Write a built-in object where it is not as it should be; another server may be doing the same."""
    with _unless_overtaken():
        if found is None:
            await client.create(wanted)
        elif (changed := kept(wanted, found)) is not found:
            await client.update(changed)


@contextmanager
def _unless_overtaken() -> Iterator[None]:
    """Let be what somebody else has written meanwhile: the next round looks again."""
    try:
        yield
    except ApiError as error:
        if error.reason not in ("AlreadyExists", "Conflict", "NotFound"):
            raise


async def _tell(client: Client, told: FlowSchema) -> None:
    with _unless_overtaken():
        await client.update(told, subresource="status")
