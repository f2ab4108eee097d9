"""The way of every request, whichever door it comes in by: may you -> what is it -> is it right -> store, or read.

The HTTP shell and the in-process client both come here once they know who asks; what they get back are Items and typed
answers, and ApiError for what is refused.
Source: kubernetes.io/docs/reference/access-authn-authz/authorization, section on request attributes.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from msgspec.structs import replace

from apiserver.applying import Configuration
from apiserver.authorization import Attributes, Authorizer, permits, refusal
from apiserver.components import Components
from apiserver.deletion import Deleted, delete
from apiserver.forms import ListInfo
from apiserver.identity import User
from apiserver.item import Item
from apiserver.measuring import MEASURED, Measuring
from apiserver.options import PLAIN_LIST, PLAIN_WRITE, ListOptions, WriteOptions
from apiserver.patching import Patch
from apiserver.paths import Target
from apiserver.pods import BINDING, POD, bind, evict
from apiserver.reading import CachedObjects, Listed, Readings
from apiserver.reviews import Reviews
from apiserver.scale import scale_of, with_scale
from apiserver.selection import parse_selection
from apiserver.strategies import strategy_of
from apiserver.versions import stored_kind, to_stored
from apiserver.write import Write, check_names, check_uid
from apiserver.writing import UPDATE_TRIES, Writings
from kube.api.authentication_v1 import TokenRequest
from kube.api.autoscaling_v1 import Scale
from kube.api.core_v1 import Binding, ComponentStatus
from kube.api.meta_v1 import DeleteOptions, Status, StatusDetails
from kube.api.policy_v1 import Eviction
from kube.clock import Clock
from kube.errors import ApiError, bad_request, conflict, method_not_allowed, not_found
from kube.kinds import Kind, Resource, kind_of
from kube.objects import with_metadata

POSTED: Final[Mapping[str, Kind]] = {
    "binding": BINDING,
    "eviction": Kind("policy", "v1", "Eviction", "evictions"),
    "token": Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests"),
}
"""The kinds of what is posted to subresources."""


class Permit(msgspec.Struct, frozen=True, gc=False):
    """That a user may do something to a target. Made by `Pipeline.authorize` alone; what writes asks for one.

    A request is authorized before its body is read, and written after that.
    """

    user: User
    verb: str
    target: Target

    def of(self, verb: str) -> tuple[User, Target]:
        """Return who may do that, and to what; it is the caller's fault if the permit is another one."""
        if verb != self.verb:
            raise AssertionError(f"a permit to {self.verb} was used to {verb}")
        return self.user, self.target


class Pipeline:
    """All verbs on all kinds."""

    def __init__(
        self,
        readings: Readings,
        writings: Writings,
        objects: CachedObjects,
        *,
        authorizers: Sequence[Authorizer],
        reviews: Reviews,
        components: Components,
        measuring: Measuring,
        clock: Clock,
    ) -> None:
        """authorizers: asked in turn. components, measuring: what is worked out when it is asked for."""
        self.readings = readings
        self.writings = writings
        self.objects = objects
        self.reviews = reviews
        self.components = components
        self._worked_out: Mapping[Kind, Callable[[Kind], Awaitable[Sequence[Item]]]] = {
            kind_of(ComponentStatus): components.items,
            **dict.fromkeys(MEASURED, measuring.items),
        }
        self.clock = clock
        self._authorizers = authorizers

    def authorize(self, user: User, verb: str, target: Target, field_selector: str = "") -> Permit:
        """Return the permit if the user may. Raises ApiError 403, or 405 where nobody could."""
        kind = target.kind
        if not target.subresource and verb not in kind.verbs:
            raise method_not_allowed()
        if verb in ("create", "deletecollection") and kind.namespaced and not target.namespace:
            raise method_not_allowed()
        asked = Attributes(
            user, verb, kind.group, kind.plural, target.subresource, target.namespace, target.name, field_selector
        )
        if kind.kind == "Namespace" and target.name:
            asked = replace(asked, namespace=target.name)
        self.check(asked, kind)
        return Permit(user, verb, target)

    def authorize_path(self, user: User, verb: str, path: str) -> None:
        """Return if the user may use a path that is no resource's. Raises ApiError 403."""
        self.check(Attributes(user, verb, path=path))

    def check(self, asked: Attributes, kind: Kind | None = None) -> None:
        """Return if what is asked is allowed. Raises ApiError 403."""
        if not permits(self._authorizers, asked):
            raise refusal(asked, kind)

    async def get(self, user: User, target: Target, resource_version: str = "") -> Item:
        """Return an object."""
        self.authorize(user, "get", target)
        if target.kind in self._worked_out:
            return await self._working_out(target)
        return await self.readings.get(target.kind, target.namespace, target.name, resource_version)

    async def list(self, user: User, target: Target, options: ListOptions = PLAIN_LIST) -> Listed:
        """Return a collection, or a page of it."""
        self.authorize(user, "list", target, options.field_selector)
        selection = parse_selection(target.kind, target.namespace, options.label_selector, options.field_selector)
        if target.kind in self._worked_out:
            found = await self._worked_out[target.kind](target.kind)
            return Listed([item for item in found if selection.matches(item)], ListInfo(0))
        return await self.readings.list(target.kind, selection, options)

    async def _working_out(self, target: Target) -> Item:
        for item in await self._worked_out[target.kind](target.kind):
            if (item.namespace, item.name) == (target.namespace, target.name):
                return item
        raise not_found(target.kind, target.name)

    async def create(self, permit: Permit, obj: Resource, options: WriteOptions = PLAIN_WRITE) -> Item:
        """Store a new object."""
        user, target = permit.of("create")
        return await self.writings.create(_write(user, target, options), obj, self.clock.now())

    async def update(self, permit: Permit, obj: Resource, options: WriteOptions = PLAIN_WRITE) -> tuple[Item, bool]:
        """Replace an object, or what its subresource shows of it; say too whether that created it."""
        user, target = permit.of("update")
        write = _write(user, target, options, needs_version=True)
        obj = check_names(obj, write)
        strategy = strategy_of(stored_kind(target.kind))
        now = self.clock.now()
        unconditional = replace(write, is_conditional=obj.metadata.resource_version not in ("", "0"))
        try:
            return await self.writings.update(unconditional, lambda _old: to_stored(obj), now), False
        except ApiError as error:
            if error.code != 404 or target.subresource or not strategy.allow_create_on_update:
                raise
        self.authorize(user, "create", target)
        check_uid(obj, write, "")
        return await self.writings.create(write, with_metadata(obj, resource_version=""), now), True

    async def patch(self, permit: Permit, patch: Patch, options: WriteOptions = PLAIN_WRITE) -> Item:
        """Change parts of an object."""
        user, target = permit.of("patch")
        write = replace(_write(user, target, options), is_conditional=patch.names_a_version)

        def patched(old: Resource) -> Resource:
            return to_stored(check_names(patch.apply(old), write))

        return await self.writings.update(write, patched, self.clock.now())

    async def apply(self, permit: Permit, config: Configuration, options: WriteOptions) -> tuple[Item, bool]:
        """Make an object as a configuration says; say too whether that created it."""
        user, target = permit.of("patch")
        write = replace(_write(user, target, options), is_conditional=config.names_a_version, applies=True)
        now = self.clock.now()

        def applied(old: Resource) -> Resource:
            return to_stored(check_names(config.applied(old, now), write))

        for attempt in range(UPDATE_TRIES):
            try:
                return await self.writings.update(write, applied, now), False
            except ApiError as error:
                if error.code != 404 or target.subresource:
                    raise
            self.authorize(user, "create", target)
            obj = config.applied_to_nothing(now)
            if obj.metadata.uid:
                raise conflict(target.kind, target.name, _uid_of_nothing(obj.metadata.uid))
            obj = with_metadata(check_names(obj, write), resource_version="")
            try:
                return await self.writings.create(write, obj, now), True
            except ApiError as error:
                if error.reason != "AlreadyExists" or attempt + 1 == UPDATE_TRIES:
                    raise
        raise AssertionError("the last try returned or raised")

    async def apply_scale(self, permit: Permit, config: Configuration, options: WriteOptions) -> Scale:
        """Set the replicas of a workload by applying. config: of the kind SCALE."""
        item, _ = await self.apply(permit, config.as_parent(permit.target.kind), options)
        return scale_of(item.obj)

    async def delete(self, permit: Permit, options: DeleteOptions) -> Deleted:
        """Delete an object, or begin to."""
        user, target = permit.of("delete")
        write = replace(_write(user, target, PLAIN_WRITE), dry_run="All" in options.dry_run)
        return await delete(self.writings, write, options, self.clock.now())

    async def delete_collection(self, permit: Permit, selected: ListOptions, options: DeleteOptions) -> Listed:
        """Delete every object of a selection; return them as they were found."""
        user, target = permit.of("deletecollection")
        selection = parse_selection(target.kind, target.namespace, selected.label_selector, selected.field_selector)
        listed = await self.readings.list(target.kind, selection, selected)
        for item in listed.items:
            write = Write(target.kind, item.namespace, item.name, user, dry_run="All" in options.dry_run)
            try:
                await delete(self.writings, write, options, self.clock.now())
            except ApiError as error:
                if error.code != 404:
                    raise
        return listed

    async def get_scale(self, user: User, target: Target) -> Scale:
        """Return the scale of a workload."""
        self.authorize(user, "get", target)
        return scale_of((await self.readings.get(target.kind, target.namespace, target.name)).obj)

    async def update_scale(self, permit: Permit, scale: Scale, options: WriteOptions) -> Scale:
        """Set the replicas of a workload."""
        user, target = permit.of("update")
        write = replace(_write(user, target, options), is_conditional=bool(scale.metadata.resource_version))
        checked = check_names(scale, write)
        changed = await self.writings.update(
            write, lambda old: with_scale(old, cast("Scale", checked)), self.clock.now()
        )
        return scale_of(changed.obj)

    async def patch_scale(self, permit: Permit, patch: Patch, options: WriteOptions) -> Scale:
        """Change parts of a workload's scale. patch: of the kind SCALE."""
        user, target = permit.of("patch")
        write = replace(_write(user, target, options), is_conditional=patch.names_a_version)

        def scaled(old: Resource) -> Resource:
            return with_scale(old, cast("Scale", patch.apply(scale_of(old))))

        return scale_of((await self.writings.update(write, scaled, self.clock.now())).obj)

    async def post(self, permit: Permit, body: Any, options: WriteOptions = PLAIN_WRITE) -> Any:
        """Take what is posted to a subresource (POSTED), or a question that is never stored; return the answer."""
        user, target = permit.of("create")
        now = self.clock.now()
        if self.reviews.answers(target.kind):
            return self.reviews.answer(target.kind, target.namespace, body, user, now)
        if target.kind == BINDING:
            target = Target(POD, target.namespace, body.metadata.name, "binding")
        write = replace(_write(user, target, options), is_conditional=False)
        match body:
            case Binding():
                if body.metadata.name and body.metadata.name != target.name:
                    raise bad_request("name in URL does not match name in Binding object")
                await bind(self.writings, write, body, now)
                return Status(status="Success", code=201)
            case Eviction():
                await evict(self.writings, self.objects, write, body, now)
                return Status(status="Success", code=201)
            case TokenRequest():
                return await self.reviews.issue(user, target.namespace, target.name, body, now)
        raise bad_request(f"{target.subresource}: takes no {type(body).__name__}")


def _uid_of_nothing(uid: str) -> str:
    return f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"


def _write(user: User, target: Target, options: WriteOptions, *, needs_version: bool = False) -> Write:
    return Write(
        target.kind,
        target.namespace,
        target.name,
        user,
        target.subresource,
        dry_run=options.dry_run,
        needs_version=needs_version,
        manager=options.field_manager,
    )


def deletion_status(target: Target, deleted: Deleted) -> Status:
    """Return the answer to a deletion that left nothing, for kinds that don't answer with the object."""
    kind = target.kind
    details = StatusDetails(
        name=deleted.item.name, group=kind.group, kind=kind.plural, uid=deleted.item.obj.metadata.uid
    )
    return Status(status="Success", details=details)
