"""Keep this machine's Node and its Lease in the API.

Keeps true: the Node is there and says what the machine has; its status is written when something changed, and every
few minutes as a heartbeat; the Lease is renewed often enough that nobody takes the node for lost.
Reads the machine, the runtime's readiness and the Node; writes Node labels and annotations, status and the Lease.
Source: kubernetes.io/docs/concepts/architecture/nodes.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import Node, NodeStatus
from kube.api.meta_v1 import ObjectMeta, OwnerReference
from kube.client import Client, ConnectionLost, PatchType
from kube.clock import Clock
from kube.codec import to_plain
from kube.errors import ApiError
from kube.files import write_private
from kube.informer import Informer
from kube.times import to_micro_time
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import ImageRecord, RuntimeCondition
from nodeagent.node_status import NodeIdentity, NodeState, differs, new_node, node_status
from nodeagent.pods.room import NodeTrouble
from nodeagent.settings import AgentSettings

LEASES: Final = "kube-node-lease"
UNREADY_LOOK_S: Final = 0.1
READY_LOOK_S: Final = 5.0
RETRY_S: Final = 0.2
SILENCE_S: Final = 2.0
"""How long the API may be silent at the start before the node goes by what it knows."""

_log = logging.getLogger(__name__)


class NodeKeeper:
    """Speaks for one node. nodes: an informer in which its Node appears."""

    def __init__(
        self,
        settings: AgentSettings,
        identity: NodeIdentity,
        *,
        client: Client,
        cri: Cri,
        nodes: Informer[Node],
        clock: Clock,
        trouble: NodeTrouble,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._client = client
        self._cri = cri
        self._nodes = nodes
        self._clock = clock
        self._trouble = trouble
        self._cidr_told = ""
        self._wake = asyncio.Event()
        self.has_own_network = not settings.cri_endpoint

    async def register(self) -> None:
        """Make the Node, or bring its labels and annotations up to date; keeps on trying until the API takes it."""
        while True:
            try:
                await self._register()
            except (ApiError, ConnectionLost) as error:
                _log.warning("node %s: could not be registered yet: %s", self._identity.name, error)
                await self._clock.sleep(RETRY_S)
            else:
                return

    async def _register(self) -> None:
        identity = self._identity
        wanted = node_status(identity, await self._observe(), NodeStatus(), self._clock.now())
        try:
            await self._client.create(new_node(identity, wanted))
            _log.info("node %s: registered", identity.name)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            own = {"metadata": {"labels": dict(identity.labels), "annotations": dict(identity.annotations)}}
            await self._client.patch(Node, identity.name, own, patch_type=PatchType.STRATEGIC)

    async def keep_status(self) -> None:
        """Write the status whenever it changed, and now and then as a heartbeat, for ever."""
        self._nodes.on_change(self._heard)
        self._trouble.on_change(self._wake.set)
        await self._nodes.wait_synced()
        written_s = -self._settings.status_report_s
        while True:
            self._wake.clear()
            stored = self._nodes.get(self._identity.name)
            if stored is None:
                await self.register()
            else:
                await self._pass_pod_cidr(stored)
            state = await self._observe()
            before = stored.status if stored is not None else NodeStatus()
            wanted = node_status(self._identity, state, before, self._clock.now())
            is_due = self._clock.monotonic_s() - written_s >= self._settings.status_report_s
            if (is_due or differs(before, wanted)) and await self._write(before, wanted):
                written_s = self._clock.monotonic_s()
            is_ready = any(c.type == "Ready" and c.status == "True" for c in wanted.conditions)
            await self._sleep(READY_LOOK_S if is_ready else UNREADY_LOOK_S)

    def _heard(self, old: Node | None, new: Node | None) -> None:
        if new is None or new.metadata.name != self._identity.name:
            return
        if old is None or old.spec.pod_cidr != new.spec.pod_cidr or _ready_of(old) != _ready_of(new):
            self._wake.set()

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _pass_pod_cidr(self, node: Node) -> None:
        cidr = node.spec.pod_cidr
        if not cidr or cidr == self._cidr_told:
            return
        await self._tell_pod_cidr(cidr)
        if self._cidr_told == cidr and self._known_pod_cidr() != cidr:
            write_private(self._settings.pod_cidr_file, cidr)

    async def _tell_pod_cidr(self, cidr: str) -> None:
        try:
            await self._cri.set_pod_cidr(cidr)
        except CriError as error:
            _log.warning("node %s: the runtime refuses pod CIDR: %s", self._identity.name, error)
            self._cidr_told = ""
            return
        self._cidr_told = cidr
        _log.info("node %s: pod CIDR %s", self._identity.name, cidr)

    def _known_pod_cidr(self) -> str:
        file = self._settings.pod_cidr_file
        return file.read_text() if file.exists() else ""

    async def bridge_silence(self) -> None:
        """Tell the runtime the pod CIDR that the node had last, for static pods, as long as the API isn't heard."""
        known = self._known_pod_cidr()
        await self._clock.sleep(SILENCE_S)
        while known and not self._nodes.synced:
            if not self._cidr_told:
                await self._tell_pod_cidr(known)
            await self._clock.sleep(RETRY_S)

    def forget_pod_cidr(self) -> None:
        """Tell the pod CIDR again: the runtime was started anew."""
        self._cidr_told = ""
        self._wake.set()

    async def _observe(self) -> NodeState:
        conditions: Sequence[RuntimeCondition] | None = None
        images: Sequence[ImageRecord] = ()
        with suppress(CriError):
            conditions, images = await asyncio.gather(self._cri.conditions(), self._cri.images())
        return NodeState(
            conditions,
            self._trouble.pressure,
            images,
            has_pod_cidr=bool(self._cidr_told) or not self.has_own_network,
            is_shutting_down=self._trouble.is_shutting_down,
        )

    async def _write(self, before: NodeStatus, wanted: NodeStatus) -> bool:
        plain = to_plain(wanted)
        old = to_plain(before)
        patch = {name: value for name, value in plain.items() if value != old.get(name)}
        if not patch:
            return True
        try:
            await self._client.patch(
                Node, self._identity.name, {"status": patch}, subresource="status", patch_type=PatchType.STRATEGIC
            )
        except (ApiError, ConnectionLost) as error:
            _log.warning("node %s: status not written: %s", self._identity.name, error)
            return False
        return True

    async def keep_lease(self) -> None:
        """Renew the Lease again and again, for ever; a silent server is asked anew before the node seems lost."""
        lease: Lease | None = None
        while True:
            try:
                async with asyncio.timeout(self._settings.lease_renew_s):
                    lease = await self._renew(lease)
            except (ApiError, ConnectionLost, TimeoutError) as error:
                _log.warning("node %s: lease not renewed: %s", self._identity.name, error or "no answer in time")
                lease = None
                await self._clock.sleep(RETRY_S)
                continue
            await self._clock.sleep(self._settings.lease_renew_s)

    async def _renew(self, lease: Lease | None) -> Lease:
        if lease is None:
            try:
                lease = await self._client.get(Lease, self._identity.name, namespace=LEASES)
            except ApiError as error:
                if error.code != 404:
                    raise
                fresh = Lease(metadata=ObjectMeta(name=self._identity.name, namespace=LEASES))
                return await self._client.create(self._renewed(fresh))
        return await self._client.update(self._renewed(lease))

    def _renewed(self, lease: Lease) -> Lease:
        """Return the Lease as of now; it is to go with the Node, which may have been made after it."""
        node, meta = self._nodes.get(self._identity.name), lease.metadata
        if node is not None and not meta.owner_references:
            owner = OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid)
            meta = replace(meta, owner_references=(owner,))
        spec = replace(
            lease.spec,
            holder_identity=self._identity.name,
            lease_duration_seconds=self._settings.lease_s,
            renew_time=to_micro_time(self._clock.now()),
        )
        return replace(lease, metadata=meta, spec=spec)


def _ready_of(node: Node) -> str:
    return next((c.status for c in node.status.conditions if c.type == "Ready"), "")
