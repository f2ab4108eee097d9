"""The types of resource.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.core_v1 import NodeSelector
from kube.api.meta_v1 import Condition, ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, always, renamed
from kube.api.scalars import Int64, JsonObject, Time
from kube.quantity import Quantity


class NetworkDeviceData(Object, frozen=True):
    """The interface name and addresses of a network device."""

    hardware_address: str = ""
    interface_name: str = ""
    ips: tuple[str, ...] = ()


class AllocatedDeviceStatus(Object, frozen=True, rename=renamed(share_id="shareID")):
    """What a driver reports about a device given to a claim."""

    conditions: Annotated[tuple[Condition, ...], ListMap(keys=("type",))] = always(())
    data: JsonObject | None = None
    device: str = always("")
    driver: str = always("")
    network_data: NetworkDeviceData | None = None
    pool: str = always("")
    share_id: str | None = None


class OpaqueDeviceConfiguration(Object, frozen=True):
    """Settings that only the named driver understands."""

    driver: str = always("")
    parameters: JsonObject | None = None


class DeviceAllocationConfiguration(Object, frozen=True):
    """Driver settings fixed at allocation, and whether class or claim gave them."""

    opaque: OpaqueDeviceConfiguration | None = None
    requests: tuple[str, ...] = ()
    source: str = always("")


class DeviceToleration(Object, frozen=True):
    """Lets a request use devices with a matching taint."""

    effect: str = ""
    key: str = ""
    operator: str = ""
    toleration_seconds: Int64 | None = None
    value: str = ""


class DeviceRequestAllocationResult(Object, frozen=True, rename=renamed(share_id="shareID")):
    """The device that was picked for one request."""

    admin_access: bool | None = None
    binding_conditions: tuple[str, ...] = ()
    binding_failure_conditions: tuple[str, ...] = ()
    consumed_capacity: Mapping[str, Quantity] = {}
    device: str = always("")
    driver: str = always("")
    pool: str = always("")
    request: str = always("")
    share_id: str | None = None
    tolerations: tuple[DeviceToleration, ...] = ()


class DeviceAllocationResult(Object, frozen=True):
    """The devices picked for a claim and their settings."""

    config: tuple[DeviceAllocationConfiguration, ...] = ()
    results: tuple[DeviceRequestAllocationResult, ...] = ()


class AllocationResult(Object, frozen=True):
    """The devices a claim was given and where they can be used."""

    allocation_timestamp: Time | None = None
    devices: DeviceAllocationResult = always(DeviceAllocationResult())
    node_selector: NodeSelector | None = None


class CELDeviceSelector(Object, frozen=True):
    """A CEL test that a device must pass to be chosen."""

    expression: str = always("")


class CapacityRequestPolicyRange(Object, frozen=True):
    """The smallest, largest and step size of a capacity request."""

    max: Quantity | None = None
    min: Quantity | None = None
    step: Quantity | None = None


class CapacityRequestPolicy(Object, frozen=True):
    """How requests for a share of a device's capacity are defaulted and checked."""

    default: Quantity | None = None
    valid_range: CapacityRequestPolicyRange | None = None
    valid_values: tuple[Quantity, ...] = ()


class CapacityRequirements(Object, frozen=True):
    """How much of each capacity a request needs from a device."""

    requests: Mapping[str, Quantity] = {}


class Counter(Object, frozen=True):
    """An amount that devices draw from."""

    value: Quantity | None = None


class CounterSet(Object, frozen=True):
    """Named counters shared by devices cut from the same hardware."""

    counters: Mapping[str, Counter] = {}
    name: str = always("")


class DeviceAttribute(Object, frozen=True):
    """A typed value that describes a device."""

    bool_: bool | None = None
    bools: tuple[bool, ...] = ()
    int_: Int64 | None = None
    ints: tuple[Int64, ...] = ()
    string: str | None = None
    strings: tuple[str, ...] = ()
    version: str | None = None
    versions: tuple[str, ...] = ()


class DeviceCapacity(Object, frozen=True):
    """How much of something a device has, and how it may be shared."""

    request_policy: CapacityRequestPolicy | None = None
    value: Quantity | None = None


class DeviceCounterConsumption(Object, frozen=True):
    """What a device uses up from a shared counter set."""

    counter_set: str = always("")
    counters: Mapping[str, Counter] = {}


class DeviceTaint(Object, frozen=True):
    """A mark on a device that keeps away claims not tolerating it."""

    effect: str = always("")
    key: str = always("")
    time_added: Time | None = None
    value: str = ""


class NodeAllocatableResourceMapping(Object, frozen=True):
    """How a device's use counts towards a node resource such as CPU or memory."""

    allocation_multiplier: Quantity | None = None
    capacity_key: str | None = None


class Device(Object, frozen=True):
    """One device on offer, with its attributes and capacity."""

    all_nodes: bool | None = None
    allow_multiple_allocations: bool | None = None
    attributes: Mapping[str, DeviceAttribute] = {}
    binding_conditions: tuple[str, ...] = ()
    binding_failure_conditions: tuple[str, ...] = ()
    binds_to_node: bool | None = None
    capacity: Mapping[str, DeviceCapacity] = {}
    consumes_counters: tuple[DeviceCounterConsumption, ...] = ()
    name: str = always("")
    node_allocatable_resource_mappings: Mapping[str, NodeAllocatableResourceMapping] = {}
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    taints: tuple[DeviceTaint, ...] = ()


class DeviceClaimConfiguration(Object, frozen=True):
    """Driver settings in a claim and the requests they are for."""

    opaque: OpaqueDeviceConfiguration | None = None
    requests: tuple[str, ...] = ()


class DeviceConstraint(Object, frozen=True):
    """A condition that several chosen devices must meet together."""

    distinct_attribute: str | None = None
    match_attribute: str | None = None
    requests: tuple[str, ...] = ()


class DeviceSelector(Object, frozen=True):
    """A test that narrows down which devices will do."""

    cel: CELDeviceSelector | None = None


class DeviceSubRequest(Object, frozen=True):
    """One of the ranked alternatives in a device request."""

    allocation_mode: str = ""
    capacity: CapacityRequirements | None = None
    count: Int64 = 0
    device_class_name: str = always("")
    name: str = always("")
    selectors: tuple[DeviceSelector, ...] = ()
    tolerations: tuple[DeviceToleration, ...] = ()


class ExactDeviceRequest(Object, frozen=True):
    """A wish for devices of one class, with selectors and a count."""

    admin_access: bool | None = None
    allocation_mode: str = ""
    capacity: CapacityRequirements | None = None
    count: Int64 = 0
    device_class_name: str = always("")
    selectors: tuple[DeviceSelector, ...] = ()
    tolerations: tuple[DeviceToleration, ...] = ()


class DeviceRequest(Object, frozen=True):
    """A named wish for devices, exact or with ranked alternatives."""

    exactly: ExactDeviceRequest | None = None
    first_available: tuple[DeviceSubRequest, ...] = ()
    name: str = always("")


class DeviceClaim(Object, frozen=True):
    """The devices a claim asks for, their constraints and settings."""

    config: tuple[DeviceClaimConfiguration, ...] = ()
    constraints: tuple[DeviceConstraint, ...] = ()
    requests: tuple[DeviceRequest, ...] = always(())


class DeviceClassConfiguration(Object, frozen=True):
    """Driver settings that come with a device class."""

    opaque: OpaqueDeviceConfiguration | None = None


class DeviceClassSpec(Object, frozen=True):
    """Which devices belong to a class and how they are set up."""

    config: tuple[DeviceClassConfiguration, ...] = ()
    extended_resource_name: str | None = None
    selectors: tuple[DeviceSelector, ...] = ()


class DeviceClass(Object, frozen=True):
    """A named category of devices, with selectors and settings."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("DeviceClass")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: DeviceClassSpec = always(DeviceClassSpec())


class DeviceClassList(Object, frozen=True):
    """A list of device classes."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("DeviceClassList")
    items: tuple[DeviceClass, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ResourceClaimSpec(Object, frozen=True):
    """What devices a claim wants."""

    devices: DeviceClaim = always(DeviceClaim())


class ResourceClaimConsumerReference(Object, frozen=True):
    """A pod or other object that is using a claim."""

    api_group: str = ""
    name: str = always("")
    resource: str = always("")
    uid: str = always("")


class ResourceClaimStatus(Object, frozen=True):
    """What a claim was allocated, for whom, and how the devices are."""

    allocation: AllocationResult | None = None
    devices: Annotated[tuple[AllocatedDeviceStatus, ...], ListMap(keys=("driver", "device", "pool", "shareID"))] = ()
    reserved_for: Annotated[tuple[ResourceClaimConsumerReference, ...], ListMap(keys=("uid",), patch="uid")] = ()


class ResourceClaim(Object, frozen=True):
    """A request for devices that pods can use."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceClaim")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ResourceClaimSpec = always(ResourceClaimSpec())
    status: ResourceClaimStatus = always(ResourceClaimStatus())


class ResourceClaimList(Object, frozen=True):
    """A list of resource claims."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceClaimList")
    items: tuple[ResourceClaim, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ResourceClaimTemplateSpec(Object, frozen=True):
    """The metadata and spec that claims are stamped out from."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: ResourceClaimSpec = always(ResourceClaimSpec())


class ResourceClaimTemplate(Object, frozen=True):
    """A pattern for making a claim for each pod."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceClaimTemplate")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ResourceClaimTemplateSpec = always(ResourceClaimTemplateSpec())


class ResourceClaimTemplateList(Object, frozen=True):
    """A list of resource claim templates."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceClaimTemplateList")
    items: tuple[ResourceClaimTemplate, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ResourcePool(Object, frozen=True):
    """The pool a slice belongs to, its generation and its slice count."""

    generation: Int64 = always(0)
    name: str = always("")
    resource_slice_count: Int64 = always(0)


class ResourceSliceSpec(Object, frozen=True):
    """The driver, pool, node and devices of a slice."""

    all_nodes: bool | None = None
    devices: tuple[Device, ...] = ()
    driver: str = always("")
    node_name: str | None = None
    node_selector: NodeSelector | None = None
    per_device_node_selection: bool | None = None
    pool: ResourcePool = always(ResourcePool())
    shared_counters: tuple[CounterSet, ...] = ()


class ResourceSlice(Object, frozen=True):
    """Part of the devices that a driver has on offer."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceSlice")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ResourceSliceSpec = always(ResourceSliceSpec())


class ResourceSliceList(Object, frozen=True):
    """A list of resource slices."""

    api_version: str = always("resource.k8s.io/v1")
    kind: str = always("ResourceSliceList")
    items: tuple[ResourceSlice, ...] = always(())
    metadata: ListMeta = always(ListMeta())
