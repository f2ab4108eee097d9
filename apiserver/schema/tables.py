"""What the schemas of types say that the types themselves don't: who must give what, which values there are.

Source: the OpenAPI documents of Kubernetes 1.36.
"""

import re
from collections.abc import Mapping
from typing import Any, Final


def _fields(table: str) -> frozenset[tuple[str, str]]:
    """Read lines of a type and its fields."""
    lines = (line.split(": ") for line in table.strip().splitlines())
    return frozenset((name.strip(), field) for name, fields in lines for field in fields.split())


def _values(table: str) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Read lines of a field and its values; EMPTY is the empty text."""
    found = {}
    for line in re.sub(r"\|\s+", "| ", table).strip().splitlines():
        path, _, values = line.strip().partition(": ")
        name, _, field = path.rpartition(".")
        found[name, field] = tuple("" if value == "EMPTY" else value for value in values.split(" | "))
    return found


OPTIONAL: Final = _fields("""
    apiextensions.v1.CustomResourceDefinitionStatus: conditions storedVersions
    apps.v1.StatefulSetOrdinals: start
    apps.v1.StatefulSetSpec: serviceName
    apps.v1.StatefulSetStatus: availableReplicas
    autoscaling.v2.HorizontalPodAutoscalerStatus: currentMetrics
    batch.v1.PodFailurePolicyOnPodConditionsPattern: status
    core.v1.ContainerImage: names
    core.v1.Event: reportingComponent reportingInstance
    core.v1.NodeRuntimeHandler: name
    core.v1.ProjectedVolumeSource: sources
    discovery.v1.EndpointSlice: endpoints ports
    flowcontrol.v1.FlowSchemaSpec: matchingPrecedence
    flowcontrol.v1.QueuingConfiguration: handSize queueLengthLimit queues
    flowcontrol.v1.ResourcePolicyRule: namespaces
    policy.v1.PodDisruptionBudgetStatus: currentHealthy desiredHealthy disruptionsAllowed expectedPods
    rbac.v1.ClusterRole: rules
    rbac.v1.Role: rules
    rbac.v1.RoleRef: apiGroup
    resource.v1.AllocatedDeviceStatus: conditions
    resource.v1.DeviceClaim: requests
    scheduling.v1.PriorityClass: value
    storage.v1.CSINodeDriver: topologyKeys
""")
"""Fields that need not be given though they are always written."""

REQUIRED: Final = _fields("""
    admissionregistration.v1.MutatingWebhook: clientConfig sideEffects
    admissionregistration.v1.ValidatingAdmissionPolicyBinding: spec
    admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec: policyName validationActions
    admissionregistration.v1.ValidatingWebhook: clientConfig sideEffects
    apiextensions.v1.CustomResourceDefinition: spec
    apiextensions.v1.CustomResourceDefinitionSpec: names
    apiextensions.v1.CustomResourceSubresourceScale: specReplicasPath statusReplicasPath
    apps.v1.DaemonSetSpec: selector template
    apps.v1.DeploymentSpec: selector template
    apps.v1.ReplicaSetSpec: selector
    apps.v1.StatefulSetSpec: selector template
    authentication.v1.TokenReview: spec
    authentication.v1.TokenReviewSpec: token
    authorization.v1.LocalSubjectAccessReview: spec
    authorization.v1.SelfSubjectAccessReview: spec
    authorization.v1.SelfSubjectRulesReview: spec
    authorization.v1.SubjectAccessReview: spec
    autoscaling.v1.HorizontalPodAutoscaler: spec
    autoscaling.v1.HorizontalPodAutoscalerSpec: scaleTargetRef
    autoscaling.v2.ContainerResourceMetricSource: target
    autoscaling.v2.ContainerResourceMetricStatus: current
    autoscaling.v2.ExternalMetricSource: metric target
    autoscaling.v2.ExternalMetricStatus: current metric
    autoscaling.v2.HorizontalPodAutoscaler: spec
    autoscaling.v2.HorizontalPodAutoscalerSpec: scaleTargetRef
    autoscaling.v2.ObjectMetricSource: describedObject metric target
    autoscaling.v2.ObjectMetricStatus: current describedObject metric
    autoscaling.v2.PodsMetricSource: metric target
    autoscaling.v2.PodsMetricStatus: current metric
    autoscaling.v2.ResourceMetricSource: target
    autoscaling.v2.ResourceMetricStatus: current
    batch.v1.CronJob: spec
    batch.v1.CronJobSpec: jobTemplate
    batch.v1.JobSpec: template
    certificates.v1.CertificateSigningRequest: spec
    core.v1.Binding: target
    core.v1.ContainerRestartRule: action
    core.v1.ContainerRestartRuleOnExitCodes: operator
    core.v1.Event: involvedObject metadata
    core.v1.HTTPGetAction: port
    core.v1.ImageVolumeStatus: imageRef
    core.v1.NodeAllocatableResourceClaimStatus: resources
    core.v1.PersistentVolumeClaimTemplate: spec
    core.v1.PodCertificateProjection: keyType signerName
    core.v1.PreferredSchedulingTerm: preference
    core.v1.ScaleIOPersistentVolumeSource: secretRef
    core.v1.ScaleIOVolumeSource: secretRef
    core.v1.TCPSocketAction: port
    core.v1.WeightedPodAffinityTerm: podAffinityTerm
    events.v1.Event: eventTime
    events.v1.EventSeries: lastObservedTime
    flowcontrol.v1.FlowSchemaSpec: priorityLevelConfiguration
    meta.v1.Condition: lastTransitionTime
    networking.v1.HTTPIngressPath: backend pathType
    networking.v1.IPAddress: spec
    networking.v1.IPAddressSpec: parentRef
    networking.v1.ParentReference: name resource
    rbac.v1.ClusterRoleBinding: roleRef
    rbac.v1.RoleBinding: roleRef
    resource.v1.CapacityRequestPolicyRange: min
    resource.v1.Counter: value
    resource.v1.CounterSet: counters
    resource.v1.DeviceCapacity: value
    resource.v1.DeviceClass: spec
    resource.v1.DeviceCounterConsumption: counters
    resource.v1.OpaqueDeviceConfiguration: parameters
    resource.v1.ResourceClaim: spec
    resource.v1.ResourceClaimTemplate: spec
    resource.v1.ResourceClaimTemplateSpec: spec
    resource.v1.ResourceSlice: spec
    resource.v1.ResourceSliceSpec: pool
    storage.v1.CSIDriver: spec
    storage.v1.CSINode: spec
    storage.v1.VolumeAttachment: spec
    storage.v1.VolumeAttachmentSpec: source
""")
"""Fields that have to be given though they are objects, or are not written where they are empty."""

DEFAULTS: Final[Mapping[tuple[str, str], Any]] = {
    ("core.v1.AzureDiskVolumeSource", "cachingMode"): "ReadWrite",
    ("core.v1.AzureDiskVolumeSource", "fsType"): "ext4",
    ("core.v1.AzureDiskVolumeSource", "kind"): "Shared",
    ("core.v1.ContainerPort", "protocol"): "TCP",
    ("core.v1.ISCSIPersistentVolumeSource", "iscsiInterface"): "default",
    ("core.v1.ISCSIVolumeSource", "iscsiInterface"): "default",
    ("core.v1.RBDPersistentVolumeSource", "keyring"): "/etc/ceph/keyring",
    ("core.v1.RBDPersistentVolumeSource", "pool"): "rbd",
    ("core.v1.RBDPersistentVolumeSource", "user"): "admin",
    ("core.v1.RBDVolumeSource", "keyring"): "/etc/ceph/keyring",
    ("core.v1.RBDVolumeSource", "pool"): "rbd",
    ("core.v1.RBDVolumeSource", "user"): "admin",
    ("core.v1.ReplicationControllerSpec", "replicas"): 1,
    ("core.v1.ScaleIOPersistentVolumeSource", "fsType"): "xfs",
    ("core.v1.ScaleIOPersistentVolumeSource", "storageMode"): "ThinProvisioned",
    ("core.v1.ScaleIOVolumeSource", "fsType"): "xfs",
    ("core.v1.ScaleIOVolumeSource", "storageMode"): "ThinProvisioned",
    ("core.v1.ServicePort", "protocol"): "TCP",
    ("resource.v1.DeviceToleration", "operator"): "Equal",
}

_SIGNAL_NAMES: Final = """
    SIGABRT SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL
    SIGPROF SIGPWR SIGQUIT SIGRTMAX SIGRTMIN SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU
    SIGURG SIGUSR1 SIGUSR2 SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ
"""
_REAL_TIME: Final = (
    *(f"SIGRTMAX-{number}" for number in range(1, 15)),
    *(f"SIGRTMIN+{number}" for number in range(1, 16)),
)
_SIGNALS: Final = tuple(sorted((*_SIGNAL_NAMES.split(), *_REAL_TIME)))

ENUMS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    **_values("""
    admissionregistration.v1.MatchResources.matchPolicy: Equivalent | Exact
    admissionregistration.v1.MutatingAdmissionPolicySpec.failurePolicy: Fail | Ignore
    admissionregistration.v1.MutatingAdmissionPolicySpec.reinvocationPolicy: IfNeeded | Never
    admissionregistration.v1.MutatingWebhook.failurePolicy: Fail | Ignore
    admissionregistration.v1.MutatingWebhook.matchPolicy: Equivalent | Exact
    admissionregistration.v1.MutatingWebhook.reinvocationPolicy: IfNeeded | Never
    admissionregistration.v1.MutatingWebhook.sideEffects: None | NoneOnDryRun | Some | Unknown
    admissionregistration.v1.Mutation.patchType: ApplyConfiguration | JSONPatch
    admissionregistration.v1.NamedRuleWithOperations.operations: * | CONNECT | CREATE | DELETE | UPDATE
    admissionregistration.v1.NamedRuleWithOperations.scope: * | Cluster | Namespaced
    admissionregistration.v1.RuleWithOperations.operations: * | CONNECT | CREATE | DELETE | UPDATE
    admissionregistration.v1.RuleWithOperations.scope: * | Cluster | Namespaced
    admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec.validationActions: Audit | Deny | Warn
    admissionregistration.v1.ValidatingAdmissionPolicySpec.failurePolicy: Fail | Ignore
    admissionregistration.v1.ValidatingWebhook.failurePolicy: Fail | Ignore
    admissionregistration.v1.ValidatingWebhook.matchPolicy: Equivalent | Exact
    admissionregistration.v1.ValidatingWebhook.sideEffects: None | NoneOnDryRun | Some | Unknown
    apiextensions.v1.ValidationRule.reason: FieldValueDuplicate | FieldValueForbidden | FieldValueInvalid |
        FieldValueRequired
    apps.v1.DaemonSetUpdateStrategy.type: OnDelete | RollingUpdate
    apps.v1.DeploymentStrategy.type: Recreate | RollingUpdate
    apps.v1.StatefulSetSpec.podManagementPolicy: OrderedReady | Parallel
    apps.v1.StatefulSetUpdateStrategy.type: OnDelete | RollingUpdate
    batch.v1.CronJobSpec.concurrencyPolicy: Allow | Forbid | Replace
    batch.v1.JobSpec.completionMode: Indexed | NonIndexed
    batch.v1.JobSpec.podReplacementPolicy: Failed | TerminatingOrFailed
    batch.v1.PodFailurePolicyOnExitCodesRequirement.operator: In | NotIn
    batch.v1.PodFailurePolicyRule.action: Count | FailIndex | FailJob | Ignore
    certificates.v1.CertificateSigningRequestSpec.usages: any | cert sign | client auth | code signing |
        content commitment | crl sign | data encipherment | decipher only | digital signature | email protection |
        encipher only | ipsec end system | ipsec tunnel | ipsec user | key agreement | key encipherment |
        microsoft sgc | netscape sgc | ocsp signing | s/mime | server auth | signing | timestamping
    core.v1.AppArmorProfile.type: Localhost | RuntimeDefault | Unconfined
    core.v1.AzureDiskVolumeSource.cachingMode: None | ReadOnly | ReadWrite
    core.v1.AzureDiskVolumeSource.kind: Dedicated | Managed | Shared
    core.v1.Container.imagePullPolicy: Always | IfNotPresent | Never
    core.v1.Container.terminationMessagePolicy: FallbackToLogsOnError | File
    core.v1.ContainerPort.protocol: SCTP | TCP | UDP
    core.v1.EndpointPort.protocol: SCTP | TCP | UDP
    core.v1.EphemeralContainer.imagePullPolicy: Always | IfNotPresent | Never
    core.v1.EphemeralContainer.terminationMessagePolicy: FallbackToLogsOnError | File
    core.v1.HTTPGetAction.scheme: HTTP | HTTPS
    core.v1.HostPathVolumeSource.type: EMPTY | BlockDevice | CharDevice | Directory | DirectoryOrCreate | File |
        FileOrCreate | Socket
    core.v1.ImageVolumeSource.pullPolicy: Always | IfNotPresent | Never
    core.v1.ModifyVolumeStatus.status: InProgress | Infeasible | Pending
    core.v1.NamespaceStatus.phase: Active | Terminating
    core.v1.NodeSelectorRequirement.operator: DoesNotExist | Exists | Gt | In | Lt | NotIn
    core.v1.NodeStatus.phase: Pending | Running | Terminated
    core.v1.PersistentVolumeClaimSpec.accessModes: ReadOnlyMany | ReadWriteMany | ReadWriteOnce |
        ReadWriteOncePod
    core.v1.PersistentVolumeClaimSpec.volumeMode: Block | Filesystem
    core.v1.PersistentVolumeClaimStatus.accessModes: ReadOnlyMany | ReadWriteMany | ReadWriteOnce |
        ReadWriteOncePod
    core.v1.PersistentVolumeClaimStatus.allocatedResourceStatuses: ControllerResizeInProgress |
        ControllerResizeInfeasible | NodeResizeInProgress | NodeResizeInfeasible | NodeResizePending
    core.v1.PersistentVolumeClaimStatus.phase: Bound | Lost | Pending
    core.v1.PersistentVolumeSpec.accessModes: ReadOnlyMany | ReadWriteMany | ReadWriteOnce | ReadWriteOncePod
    core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy: Delete | Recycle | Retain
    core.v1.PersistentVolumeSpec.volumeMode: Block | Filesystem
    core.v1.PersistentVolumeStatus.phase: Available | Bound | Failed | Pending | Released
    core.v1.PodSecurityContext.fsGroupChangePolicy: Always | OnRootMismatch
    core.v1.PodSecurityContext.supplementalGroupsPolicy: Merge | Strict
    core.v1.PodSpec.dnsPolicy: ClusterFirst | ClusterFirstWithHostNet | Default | None
    core.v1.PodSpec.preemptionPolicy: Never | PreemptLowerPriority
    core.v1.PodSpec.restartPolicy: Always | Never | OnFailure
    core.v1.PodStatus.phase: Failed | Pending | Running | Succeeded | Unknown
    core.v1.PodStatus.qosClass: BestEffort | Burstable | Guaranteed
    core.v1.PortStatus.protocol: SCTP | TCP | UDP
    core.v1.ResourceQuotaSpec.scopes: BestEffort | CrossNamespacePodAffinity | NotBestEffort | NotTerminating |
        PriorityClass | Terminating | VolumeAttributesClass
    core.v1.ScopedResourceSelectorRequirement.operator: DoesNotExist | Exists | In | NotIn
    core.v1.ScopedResourceSelectorRequirement.scopeName: BestEffort | CrossNamespacePodAffinity | NotBestEffort |
        NotTerminating | PriorityClass | Terminating | VolumeAttributesClass
    core.v1.SeccompProfile.type: Localhost | RuntimeDefault | Unconfined
    core.v1.SecurityContext.procMount: Default | Unmasked
    core.v1.ServicePort.protocol: SCTP | TCP | UDP
    core.v1.ServiceSpec.externalTrafficPolicy: Cluster | Local
    core.v1.ServiceSpec.internalTrafficPolicy: Cluster | Local
    core.v1.ServiceSpec.ipFamilies: EMPTY | IPv4 | IPv6
    core.v1.ServiceSpec.ipFamilyPolicy: PreferDualStack | RequireDualStack | SingleStack
    core.v1.ServiceSpec.sessionAffinity: ClientIP | None
    core.v1.ServiceSpec.type: ClusterIP | ExternalName | LoadBalancer | NodePort
    core.v1.Taint.effect: NoExecute | NoSchedule | PreferNoSchedule
    core.v1.Toleration.effect: NoExecute | NoSchedule | PreferNoSchedule
    core.v1.Toleration.operator: Equal | Exists | Gt | Lt
    core.v1.TopologySpreadConstraint.nodeAffinityPolicy: Honor | Ignore
    core.v1.TopologySpreadConstraint.nodeTaintsPolicy: Honor | Ignore
    core.v1.TopologySpreadConstraint.whenUnsatisfiable: DoNotSchedule | ScheduleAnyway
    core.v1.VolumeMount.mountPropagation: Bidirectional | HostToContainer | None
    discovery.v1.EndpointPort.protocol: SCTP | TCP | UDP
    discovery.v1.EndpointSlice.addressType: FQDN | IPv4 | IPv6
    networking.v1.HTTPIngressPath.pathType: Exact | ImplementationSpecific | Prefix
    networking.v1.IngressPortStatus.protocol: SCTP | TCP | UDP
    networking.v1.NetworkPolicyPort.protocol: SCTP | TCP | UDP
    networking.v1.NetworkPolicySpec.policyTypes: Egress | Ingress
    policy.v1.PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy: AlwaysAllow | IfHealthyBudget
    resource.v1.DeviceAllocationConfiguration.source: FromClaim | FromClass
    resource.v1.DeviceSubRequest.allocationMode: All | ExactCount
    resource.v1.DeviceTaint.effect: NoExecute | NoSchedule | None
    resource.v1.DeviceToleration.effect: NoExecute | NoSchedule | None
    resource.v1.DeviceToleration.operator: Equal | Exists
    resource.v1.ExactDeviceRequest.allocationMode: All | ExactCount
    scheduling.v1.PriorityClass.preemptionPolicy: Never | PreemptLowerPriority
    storage.v1.StorageClass.reclaimPolicy: Delete | Recycle | Retain
    storage.v1.StorageClass.volumeBindingMode: Immediate | WaitForFirstConsumer
"""),
    ("core.v1.ContainerStatus", "stopSignal"): _SIGNALS,
    ("core.v1.Lifecycle", "stopSignal"): _SIGNALS,
}
"""Which values a field may have, or each item of a list or map."""

UNIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "core.v1.AppArmorProfile": {
        "discriminator": "type",
        "fields-to-discriminateBy": {"localhostProfile": "LocalhostProfile"},
    },
    "core.v1.PodSchedulingGroup": {"fields-to-discriminateBy": {"podGroupName": "PodGroupName"}},
    "core.v1.SeccompProfile": {
        "discriminator": "type",
        "fields-to-discriminateBy": {"localhostProfile": "LocalhostProfile"},
    },
    "flowcontrol.v1.LimitResponse": {"discriminator": "type", "fields-to-discriminateBy": {"queuing": "Queuing"}},
    "flowcontrol.v1.PriorityLevelConfigurationSpec": {
        "discriminator": "type",
        "fields-to-discriminateBy": {"exempt": "Exempt", "limited": "Limited"},
    },
    "flowcontrol.v1.Subject": {
        "discriminator": "kind",
        "fields-to-discriminateBy": {"group": "Group", "serviceAccount": "ServiceAccount", "user": "User"},
    },
}
"""Types of which only one field is set, which another one names."""
