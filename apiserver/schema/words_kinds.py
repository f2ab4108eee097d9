"""What the fields of kinds are for, beside those of pods."""

from typing import Final

KINDS: Final = """
    apps.v1.ControllerRevision.data: The state as it was.
    apps.v1.ControllerRevision.revision: Counts the states.
    apps.v1.DaemonSetSpec.revisionHistoryLimit: How many old versions of the template are kept to go back to.
    apps.v1.DaemonSetStatus.collisionCount: How often a name that was made up for a revision was taken.
    apps.v1.DaemonSetStatus.currentNumberScheduled: How many nodes run the pod as they should.
    apps.v1.DaemonSetStatus.desiredNumberScheduled: How many nodes should run the pod.
    apps.v1.DaemonSetStatus.numberAvailable: How many nodes have an available pod.
    apps.v1.DaemonSetStatus.numberMisscheduled: How many nodes run the pod though they should not.
    apps.v1.DaemonSetStatus.numberReady: How many nodes have a ready pod.
    apps.v1.DaemonSetStatus.numberUnavailable: How many nodes should have an available pod and don't.
    apps.v1.DaemonSetStatus.updatedNumberScheduled: How many nodes run the pod of the newest template.
    apps.v1.DeploymentSpec.paused: Whether changes of the template wait until this is taken away.
    apps.v1.DeploymentSpec.progressDeadlineSeconds: After how many seconds without progress a rollout counts as failed.
    apps.v1.DeploymentSpec.replicas: How many pods there should be.
    apps.v1.DeploymentSpec.revisionHistoryLimit: How many old ReplicaSets are kept to go back to.
    apps.v1.DeploymentStatus.availableReplicas: How many pods have been ready for long enough.
    apps.v1.DeploymentStatus.collisionCount: How often a name that was made up for a ReplicaSet was taken.
    apps.v1.DeploymentStatus.readyReplicas: How many pods are ready.
    apps.v1.DeploymentStatus.terminatingReplicas: How many pods are ending.
    apps.v1.DeploymentStatus.unavailableReplicas: How many pods are missing from the wanted number of available ones.
    apps.v1.DeploymentStatus.updatedReplicas: How many pods are of the newest template.
    apps.v1.ReplicaSetSpec.replicas: How many pods there should be.
    apps.v1.ReplicaSetStatus.availableReplicas: How many pods have been ready for long enough.
    apps.v1.ReplicaSetStatus.fullyLabeledReplicas: How many pods have all labels of the template.
    apps.v1.ReplicaSetStatus.readyReplicas: How many pods are ready.
    apps.v1.ReplicaSetStatus.terminatingReplicas: How many pods are ending.
    apps.v1.RollingUpdateDaemonSet.maxSurge: How many nodes may run an old and a new pod while it rolls.
    apps.v1.RollingUpdateDaemonSet.maxUnavailable: How many nodes may lack the pod while it rolls.
    apps.v1.RollingUpdateDeployment.maxSurge: How many pods there may be beyond the wanted number while it rolls.
    apps.v1.RollingUpdateDeployment.maxUnavailable: How many pods may be missing from the wanted number while it rolls.
    apps.v1.RollingUpdateStatefulSetStrategy.maxUnavailable: How many pods may be missing while it rolls.
    apps.v1.RollingUpdateStatefulSetStrategy.partition: Pods of a lower number than this stay as they are.
    apps.v1.StatefulSetOrdinals.start: The number of the first pod.
    apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted: What becomes of claims with the set.
    apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled: What becomes of claims with their pods.
    apps.v1.StatefulSetSpec.podManagementPolicy: Whether pods come and go one after another or all at once.
    apps.v1.StatefulSetSpec.replicas: How many pods there should be.
    apps.v1.StatefulSetSpec.revisionHistoryLimit: How many old versions of the template are kept to go back to.
    apps.v1.StatefulSetSpec.serviceName: The headless Service that gives the pods their names in DNS.
    apps.v1.StatefulSetSpec.volumeClaimTemplates: Claims that each pod gets its own copy of.
    apps.v1.StatefulSetStatus.availableReplicas: How many pods have been ready for long enough.
    apps.v1.StatefulSetStatus.collisionCount: How often a name that was made up for a revision was taken.
    apps.v1.StatefulSetStatus.currentReplicas: How many pods are of the current revision.
    apps.v1.StatefulSetStatus.currentRevision: The revision that pods are of before the update.
    apps.v1.StatefulSetStatus.readyReplicas: How many pods are ready.
    apps.v1.StatefulSetStatus.updateRevision: The revision that pods are updated to.
    apps.v1.StatefulSetStatus.updatedReplicas: How many pods are of the newest template.
    autoscaling.v1.HorizontalPodAutoscalerSpec.maxReplicas: How many pods there may be at most.
    autoscaling.v1.HorizontalPodAutoscalerSpec.minReplicas: How many pods there are at least.
    autoscaling.v1.HorizontalPodAutoscalerSpec.targetCPUUtilizationPercentage: How much of their cpu pods should use.
    autoscaling.v1.HorizontalPodAutoscalerStatus.currentCPUUtilizationPercentage: How much of their cpu pods use.
    autoscaling.v1.HorizontalPodAutoscalerStatus.currentReplicas: How many pods there are.
    autoscaling.v1.HorizontalPodAutoscalerStatus.desiredReplicas: How many pods there should be.
    autoscaling.v1.HorizontalPodAutoscalerStatus.lastScaleTime: When the number of pods was last changed.
    autoscaling.v2.ContainerResourceMetricSource.container: The container of each pod that is measured.
    autoscaling.v2.ContainerResourceMetricStatus.container: The container of each pod that is measured.
    autoscaling.v2.HPAScalingPolicy.periodSeconds: For how many seconds the value holds.
    autoscaling.v2.HPAScalingPolicy.value: How many pods, or how many percent of them, may come or go in that time.
    autoscaling.v2.HPAScalingRules.selectPolicy: Which of several policies counts: Max, Min, or Disabled for none.
    autoscaling.v2.HPAScalingRules.stabilizationWindowSeconds: How many seconds of earlier wishes are looked at.
    autoscaling.v2.HPAScalingRules.tolerance: By which part a metric may differ before anything is done.
    autoscaling.v2.HorizontalPodAutoscalerSpec.maxReplicas: How many pods there may be at most.
    autoscaling.v2.HorizontalPodAutoscalerSpec.metrics: What is measured and what it should be; the largest wins.
    autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas: How many pods there are at least.
    autoscaling.v2.HorizontalPodAutoscalerStatus.currentReplicas: How many pods there are.
    autoscaling.v2.HorizontalPodAutoscalerStatus.desiredReplicas: How many pods there should be.
    autoscaling.v2.HorizontalPodAutoscalerStatus.lastScaleTime: When the number of pods was last changed.
    autoscaling.v2.MetricTarget.averageUtilization: The part of what pods ask for that they should use, in percent.
    autoscaling.v2.MetricTarget.averageValue: The value that it should have over all pods on average.
    autoscaling.v2.MetricTarget.value: The value that it should have.
    autoscaling.v2.MetricValueStatus.averageUtilization: The part of what pods ask for that they use, in percent.
    autoscaling.v2.MetricValueStatus.averageValue: The value over all pods on average.
    autoscaling.v2.MetricValueStatus.value: The value.
    batch.v1.CronJobSpec.concurrencyPolicy: What happens when the last run is not over: start, skip or replace it.
    batch.v1.CronJobSpec.failedJobsHistoryLimit: How many failed jobs are kept.
    batch.v1.CronJobSpec.schedule: When it runs, as cron writes it: minute, hour, day, month, day of the week.
    batch.v1.CronJobSpec.startingDeadlineSeconds: How many seconds late a run may start.
    batch.v1.CronJobSpec.successfulJobsHistoryLimit: How many finished jobs are kept.
    batch.v1.CronJobSpec.suspend: Whether no new runs start.
    batch.v1.CronJobSpec.timeZone: The time zone of the schedule, such as Europe/Zurich.
    batch.v1.CronJobStatus.lastScheduleTime: When a job was last started.
    batch.v1.CronJobStatus.lastSuccessfulTime: When a job last succeeded.
    batch.v1.JobSpec.activeDeadlineSeconds: How many seconds the job may take before it is ended.
    batch.v1.JobSpec.backoffLimit: How many failed pods are too many.
    batch.v1.JobSpec.backoffLimitPerIndex: How many failed pods of one index are too many.
    batch.v1.JobSpec.completionMode: Whether any so many successes will do, or one for each index.
    batch.v1.JobSpec.completions: How many pods must succeed.
    batch.v1.JobSpec.managedBy: Who runs the job, where that is not the cluster's own controller.
    batch.v1.JobSpec.manualSelector: Whether the selector is given instead of made.
    batch.v1.JobSpec.maxFailedIndexes: How many failed indexes are too many.
    batch.v1.JobSpec.parallelism: How many pods may run at once.
    batch.v1.JobSpec.podReplacementPolicy: Whether a pod is replaced when it begins to end, or when it has failed.
    batch.v1.JobSpec.suspend: Whether no pods run for now.
    batch.v1.JobSpec.ttlSecondsAfterFinished: How many seconds the job is kept once it is over.
    batch.v1.JobStatus.active: How many pods run or wait to.
    batch.v1.JobStatus.completedIndexes: The indexes that are done, such as 1,3-5.
    batch.v1.JobStatus.completionTime: When the job was done.
    batch.v1.JobStatus.failed: How many pods have failed.
    batch.v1.JobStatus.failedIndexes: The indexes that have failed, such as 1,3-5.
    batch.v1.JobStatus.ready: How many pods are ready.
    batch.v1.JobStatus.startTime: When the job began.
    batch.v1.JobStatus.succeeded: How many pods have succeeded.
    batch.v1.JobStatus.terminating: How many pods are ending.
    batch.v1.PodFailurePolicyOnExitCodesRequirement.containerName: The container that is looked at; else all.
    batch.v1.PodFailurePolicyOnExitCodesRequirement.operator: Whether the code must be among the values: In or NotIn.
    batch.v1.PodFailurePolicyOnExitCodesRequirement.values: The exit codes that are meant.
    batch.v1.PodFailurePolicyRule.action: What becomes of the job: FailJob, FailIndex, Ignore or Count.
    batch.v1.SuccessPolicyRule.succeededCount: How many indexes must succeed.
    batch.v1.SuccessPolicyRule.succeededIndexes: The indexes of which they must be, such as 1,3-5.
    batch.v1.UncountedTerminatedPods.failed: Failed pods that are not counted yet.
    batch.v1.UncountedTerminatedPods.succeeded: Pods that succeeded and are not counted yet.
    certificates.v1.CertificateSigningRequestSpec.expirationSeconds: For how many seconds it should hold.
    certificates.v1.CertificateSigningRequestSpec.extra: What else is known of who asked.
    certificates.v1.CertificateSigningRequestSpec.groups: The groups of who asked.
    certificates.v1.CertificateSigningRequestSpec.request: What is to be signed: a PKCS#10 request in PEM, in base64.
    certificates.v1.CertificateSigningRequestSpec.signerName: Who is to sign it.
    certificates.v1.CertificateSigningRequestSpec.usages: What the key is to be used for.
    certificates.v1.CertificateSigningRequestSpec.username: Who asked.
    certificates.v1.CertificateSigningRequestStatus.certificate: What was signed, in PEM, in base64.
    coordination.v1.LeaseSpec.acquireTime: Since when the holder has it.
    coordination.v1.LeaseSpec.holderIdentity: Who has it.
    coordination.v1.LeaseSpec.leaseDurationSeconds: After how many seconds without renewal others may take it.
    coordination.v1.LeaseSpec.leaseTransitions: How often it went from one holder to another.
    coordination.v1.LeaseSpec.preferredHolder: Who should have it.
    coordination.v1.LeaseSpec.renewTime: When the holder last renewed it.
    coordination.v1.LeaseSpec.strategy: How it is decided who gets it.
    core.v1.CSIPersistentVolumeSource.driver: The CSI driver that serves it.
    core.v1.CSIPersistentVolumeSource.volumeAttributes: What the driver needs to know of it.
    core.v1.CSIPersistentVolumeSource.volumeHandle: What the driver calls it.
    core.v1.ClientIPConfig.timeoutSeconds: After how many seconds a client may get another pod.
    core.v1.ComponentCondition.error: What went wrong.
    core.v1.ConfigMap.binaryData: Values that are no text, in base64.
    core.v1.ConfigMap.data: Texts by their keys.
    core.v1.ConfigMap.immutable: Whether its data can't be changed any more.
    core.v1.ContainerImage.names: The names under which the node has it.
    core.v1.ContainerImage.sizeBytes: How many bytes it takes.
    core.v1.DaemonEndpoint.Port: The number of the port.
    core.v1.EndpointAddress.hostname: What the pod calls itself.
    core.v1.EndpointAddress.ip: The address.
    core.v1.EndpointPort.appProtocol: What is spoken over the protocol, such as kubernetes.io/h2c.
    core.v1.EndpointPort.port: The number of the port.
    core.v1.EndpointPort.protocol: The protocol that it speaks.
    core.v1.Event.action: What was done.
    core.v1.Event.count: How often it happened.
    core.v1.Event.eventTime: When it was first seen.
    core.v1.Event.firstTimestamp: When it first happened.
    core.v1.Event.lastTimestamp: When it last happened.
    core.v1.Event.reportingComponent: Who tells it.
    core.v1.Event.reportingInstance: Which one of those tells it.
    core.v1.EventSeries.count: How often it happened.
    core.v1.EventSeries.lastObservedTime: When it last happened.
    core.v1.EventSource.component: Who tells it.
    core.v1.EventSource.host: On which node that is.
    core.v1.LimitRangeItem.default: What a container may use at most that doesn't say so itself.
    core.v1.LimitRangeItem.defaultRequest: What a container asks for that doesn't say so itself.
    core.v1.LimitRangeItem.max: What it may use at most.
    core.v1.LimitRangeItem.maxLimitRequestRatio: How many times of what it asks for it may use at most.
    core.v1.LimitRangeItem.min: What it must ask for at least.
    core.v1.LoadBalancerIngress.hostname: The name at which it is reached.
    core.v1.LoadBalancerIngress.ip: The address at which it is reached.
    core.v1.LoadBalancerIngress.ipMode: Whether traffic arrives with that address: VIP, or Proxy where it doesn't.
    core.v1.LocalVolumeSource.path: The directory or device on the node.
    core.v1.NamespaceSpec.finalizers: Who must be done with the namespace before it is gone.
    core.v1.NamespaceStatus.phase: Active, or Terminating while it is emptied.
    core.v1.NodeAddress.address: The address or name.
    core.v1.NodeCondition.lastHeartbeatTime: When the node last said so.
    core.v1.NodeSpec.podCIDR: The range that pods of the node get their addresses from.
    core.v1.NodeSpec.podCIDRs: The ranges that pods of the node get their addresses from.
    core.v1.NodeSpec.providerID: What the cloud calls the node.
    core.v1.NodeSpec.taints: Marks that keep pods away which do not tolerate them.
    core.v1.NodeSpec.unschedulable: Whether no new pods come here.
    core.v1.NodeStatus.allocatable: How much there is for pods.
    core.v1.NodeStatus.capacity: How much there is.
    core.v1.NodeStatus.volumesInUse: Volumes that are mounted.
    core.v1.NodeSystemInfo.architecture: The architecture of its processor.
    core.v1.NodeSystemInfo.bootID: What tells this start of the machine from others.
    core.v1.NodeSystemInfo.containerRuntimeVersion: The container runtime and its version.
    core.v1.NodeSystemInfo.kernelVersion: The version of its kernel.
    core.v1.NodeSystemInfo.kubeProxyVersion: No longer filled in.
    core.v1.NodeSystemInfo.kubeletVersion: The version of its agent.
    core.v1.NodeSystemInfo.machineID: What tells the installation from others.
    core.v1.NodeSystemInfo.operatingSystem: linux or windows.
    core.v1.NodeSystemInfo.osImage: The name of its distribution.
    core.v1.NodeSystemInfo.systemUUID: What tells the machine from others.
    core.v1.ObjectReference.fieldPath: The part of the object that is meant.
    core.v1.PersistentVolumeClaimSpec.accessModes: By how many nodes it is to be used, and whether for writing.
    core.v1.PersistentVolumeClaimSpec.storageClassName: The class that the volume is to be of; "" for none.
    core.v1.PersistentVolumeClaimSpec.volumeAttributesClassName: The class of attributes that the volume is to have.
    core.v1.PersistentVolumeClaimSpec.volumeMode: Whether it is a file system or a block device.
    core.v1.PersistentVolumeClaimSpec.volumeName: The volume that is bound to it.
    core.v1.PersistentVolumeClaimStatus.accessModes: By how many nodes it can be used, and whether for writing.
    core.v1.PersistentVolumeClaimStatus.allocatedResources: How large it is being made.
    core.v1.PersistentVolumeClaimStatus.capacity: How much the volume holds.
    core.v1.PersistentVolumeClaimStatus.phase: Pending, Bound, or Lost when its volume is gone.
    core.v1.PersistentVolumeSpec.accessModes: By how many nodes it can be used, and whether for writing.
    core.v1.PersistentVolumeSpec.capacity: How much it holds.
    core.v1.PersistentVolumeSpec.mountOptions: Options that it is mounted with.
    core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy: What becomes of it when its claim is gone.
    core.v1.PersistentVolumeSpec.storageClassName: The class that it is of.
    core.v1.PersistentVolumeSpec.volumeAttributesClassName: The class of attributes that it has.
    core.v1.PersistentVolumeSpec.volumeMode: Whether it is a file system or a block device.
    core.v1.PersistentVolumeStatus.lastPhaseTransitionTime: When the phase last changed.
    core.v1.PersistentVolumeStatus.phase: Pending, Available, Bound, Released or Failed.
    core.v1.PortStatus.error: Why the port isn't served.
    core.v1.PortStatus.port: The number of the port.
    core.v1.PortStatus.protocol: The protocol that it speaks.
    core.v1.ReplicationControllerSpec.selector: Labels of the pods that it counts.
    core.v1.ReplicationControllerStatus.availableReplicas: How many pods have been ready for long enough.
    core.v1.ReplicationControllerStatus.fullyLabeledReplicas: How many pods have all labels of the template.
    core.v1.ReplicationControllerStatus.readyReplicas: How many pods are ready.
    core.v1.ResourceQuotaSpec.hard: How much there may be in the namespace.
    core.v1.ResourceQuotaSpec.scopes: What sort of objects count.
    core.v1.ResourceQuotaStatus.hard: How much there may be in the namespace.
    core.v1.ResourceQuotaStatus.used: How much there is.
    core.v1.ScopedResourceSelectorRequirement.operator: In, NotIn, Exists or DoesNotExist.
    core.v1.ScopedResourceSelectorRequirement.scopeName: The sort of objects that is meant.
    core.v1.ScopedResourceSelectorRequirement.values: The values of In and NotIn.
    core.v1.Secret.data: Values by their keys, in base64.
    core.v1.Secret.immutable: Whether its data can't be changed any more.
    core.v1.Secret.stringData: Values as plain text, which are put into data.
    core.v1.ServiceAccount.automountServiceAccountToken: Whether pods get a token that don't say so themselves.
    core.v1.ServicePort.appProtocol: What is spoken over the protocol, such as kubernetes.io/h2c.
    core.v1.ServicePort.nodePort: The port of every node that leads to it.
    core.v1.ServicePort.port: The port of the Service.
    core.v1.ServicePort.protocol: The protocol that it speaks.
    core.v1.ServicePort.targetPort: The port of the pods, by number or name.
    core.v1.ServiceSpec.allocateLoadBalancerNodePorts: Whether a balancer's Service gets ports of nodes.
    core.v1.ServiceSpec.clusterIP: Its address in the cluster; None for one without.
    core.v1.ServiceSpec.clusterIPs: All its addresses in the cluster, one of each family.
    core.v1.ServiceSpec.externalIPs: Addresses of nodes from outside at which it is reached too.
    core.v1.ServiceSpec.externalName: The name that DNS gives instead of an address.
    core.v1.ServiceSpec.externalTrafficPolicy: Whether traffic from outside stays on the node where it comes in.
    core.v1.ServiceSpec.healthCheckNodePort: The port at which a balancer learns whether a node has pods of it.
    core.v1.ServiceSpec.internalTrafficPolicy: Whether traffic from inside stays on its node.
    core.v1.ServiceSpec.ipFamilies: The families of its addresses: IPv4, IPv6.
    core.v1.ServiceSpec.ipFamilyPolicy: Whether it has addresses of one family or of both.
    core.v1.ServiceSpec.loadBalancerClass: Who makes the balancer.
    core.v1.ServiceSpec.loadBalancerIP: The address that the balancer should get, where it can be asked for.
    core.v1.ServiceSpec.loadBalancerSourceRanges: The ranges of addresses that may reach the balancer.
    core.v1.ServiceSpec.ports: Ports and where they lead.
    core.v1.ServiceSpec.publishNotReadyAddresses: Whether pods that are not ready are told of too.
    core.v1.ServiceSpec.selector: Labels of the pods that it leads to.
    core.v1.ServiceSpec.sessionAffinity: Whether a client stays with the pod that it got first.
    core.v1.ServiceSpec.trafficDistribution: Which pods are preferred: those nearby, or none.
    core.v1.ServiceSpec.type: Who can reach it: the cluster, everybody at a node, or through a balancer.
    core.v1.Taint.effect: What it does: NoSchedule, PreferNoSchedule or NoExecute.
    core.v1.Taint.key: Its name.
    core.v1.Taint.timeAdded: When it was put there.
    core.v1.Taint.value: Its value.
    core.v1.TopologySelectorLabelRequirement.key: The label of nodes.
    core.v1.TopologySelectorLabelRequirement.values: The values that are allowed.
    core.v1.VolumeResourceRequirements.limits: How much it may hold at most.
    core.v1.VolumeResourceRequirements.requests: How much it must hold at least.
    discovery.v1.Endpoint.addresses: Where it is reached.
    discovery.v1.Endpoint.deprecatedTopology: Labels of its node, as older versions told them.
    discovery.v1.Endpoint.hostname: What the pod calls itself.
    discovery.v1.Endpoint.zone: The zone that it is in.
    discovery.v1.EndpointConditions.ready: Whether it takes traffic.
    discovery.v1.EndpointConditions.serving: Whether it answers, even if it is ending.
    discovery.v1.EndpointConditions.terminating: Whether it is ending.
    discovery.v1.EndpointPort.appProtocol: What is spoken over the protocol, such as kubernetes.io/h2c.
    discovery.v1.EndpointPort.port: The number of the port.
    discovery.v1.EndpointPort.protocol: The protocol that it speaks.
    discovery.v1.EndpointSlice.addressType: The sort of all addresses: IPv4, IPv6 or FQDN.
    events.v1.Event.action: What was done.
    events.v1.Event.deprecatedCount: How often it happened, as older versions told it.
    events.v1.Event.deprecatedFirstTimestamp: When it first happened, as older versions told it.
    events.v1.Event.deprecatedLastTimestamp: When it last happened, as older versions told it.
    events.v1.Event.eventTime: When it was first seen.
    events.v1.Event.note: What there is to say about it, for people.
    events.v1.Event.reportingController: Who tells it.
    events.v1.Event.reportingInstance: Which one of those tells it.
    events.v1.EventSeries.count: How often it happened.
    events.v1.EventSeries.lastObservedTime: When it last happened.
    meta.v1.FieldSelectorRequirement.key: The field that is looked at.
    meta.v1.FieldSelectorRequirement.operator: In, NotIn, Exists or DoesNotExist.
    meta.v1.FieldSelectorRequirement.values: The values of In and NotIn.
    meta.v1.LabelSelectorRequirement.key: The label that is looked at.
    meta.v1.LabelSelectorRequirement.operator: In, NotIn, Exists or DoesNotExist.
    meta.v1.LabelSelectorRequirement.values: The values of In and NotIn.
    meta.v1.ListMeta.continue: What to ask with for the rest of the list.
    meta.v1.ListMeta.remainingItemCount: How many objects follow.
    meta.v1.ListMeta.selfLink: No longer filled in.
    meta.v1.ManagedFieldsEntry.fieldsType: The form of fieldsV1.
    meta.v1.ManagedFieldsEntry.fieldsV1: The fields.
    meta.v1.ManagedFieldsEntry.manager: Who set them.
    meta.v1.ManagedFieldsEntry.operation: How: Apply or Update.
    meta.v1.ManagedFieldsEntry.subresource: The subresource by which they were set.
    meta.v1.ManagedFieldsEntry.time: When they were last set.
    meta.v1.ObjectMeta.creationTimestamp: When it was made.
    meta.v1.ObjectMeta.deletionGracePeriodSeconds: How many seconds it has to end by itself.
    meta.v1.ObjectMeta.deletionTimestamp: When it is to be gone.
    meta.v1.ObjectMeta.finalizers: Who must be done with it before it is gone.
    meta.v1.ObjectMeta.generateName: What a name that the server makes up begins with.
    meta.v1.ObjectMeta.generation: Counts the changes of what is asked for.
    meta.v1.ObjectMeta.managedFields: Who set which field last.
    meta.v1.ObjectMeta.ownerReferences: The objects that it goes with when they are deleted.
    meta.v1.ObjectMeta.selfLink: No longer filled in.
    meta.v1.OwnerReference.blockOwnerDeletion: Whether the owner, deleted in the foreground, waits until this is gone.
    meta.v1.OwnerReference.controller: Whether the owner is the one that looks after it.
    networking.v1.HTTPIngressPath.path: The path, or what paths begin with.
    networking.v1.HTTPIngressPath.pathType: Whether paths must be equal or begin so.
    networking.v1.IPBlock.cidr: A range of addresses.
    networking.v1.IPBlock.except: Parts of the range that are not meant.
    networking.v1.IngressClassParametersReference.apiGroup: The group of what is meant; the core one if there is none.
    networking.v1.IngressClassParametersReference.scope: Whether it is in a namespace or in none: Namespace or Cluster.
    networking.v1.IngressClassSpec.controller: Who serves Ingresses of the class.
    networking.v1.IngressLoadBalancerIngress.hostname: The name at which it is reached.
    networking.v1.IngressLoadBalancerIngress.ip: The address at which it is reached.
    networking.v1.IngressPortStatus.error: Why the port isn't served.
    networking.v1.IngressPortStatus.port: The number of the port.
    networking.v1.IngressPortStatus.protocol: The protocol that it speaks.
    networking.v1.IngressRule.host: The host that is asked for.
    networking.v1.IngressSpec.ingressClassName: The class that says who serves it.
    networking.v1.IngressSpec.rules: What is asked for and where that leads.
    networking.v1.IngressTLS.hosts: The names that the certificate is for.
    networking.v1.IngressTLS.secretName: The secret with the certificate and its key.
    networking.v1.NetworkPolicyPort.endPort: The last port of a range that begins with port.
    networking.v1.NetworkPolicyPort.port: The port, by number or name; all of them if there is none.
    networking.v1.NetworkPolicyPort.protocol: The protocol that it speaks.
    networking.v1.NetworkPolicySpec.egress: What the pods may reach.
    networking.v1.NetworkPolicySpec.ingress: Who may reach the pods.
    networking.v1.NetworkPolicySpec.podSelector: The pods that it rules; all of the namespace if it is empty.
    networking.v1.NetworkPolicySpec.policyTypes: The directions that it rules.
    networking.v1.ParentReference.group: The group of what is meant.
    networking.v1.ParentReference.resource: The resource of what is meant.
    networking.v1.ServiceBackendPort.number: The number of the Service's port.
    networking.v1.ServiceCIDRSpec.cidrs: The ranges, at most one of each family.
    node.v1.Overhead.podFixed: What each pod costs beside its containers.
    node.v1.RuntimeClass.handler: What the container runtime calls it.
    node.v1.Scheduling.nodeSelector: Labels of the nodes that have it.
    policy.v1.PodDisruptionBudgetSpec.maxUnavailable: How many pods may be missing, as a number or percentage.
    policy.v1.PodDisruptionBudgetSpec.minAvailable: How many pods must be left, as a number or percentage.
    policy.v1.PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy: Whether pods that are not ready may always be evicted.
    policy.v1.PodDisruptionBudgetStatus.currentHealthy: How many pods are ready.
    policy.v1.PodDisruptionBudgetStatus.desiredHealthy: How many pods must be ready at least.
    policy.v1.PodDisruptionBudgetStatus.disruptedPods: Pods whose eviction was allowed, and is not seen yet.
    policy.v1.PodDisruptionBudgetStatus.disruptionsAllowed: How many pods may be evicted now.
    policy.v1.PodDisruptionBudgetStatus.expectedPods: How many pods there should be.
    rbac.v1.PolicyRule.apiGroups: The groups of the resources; "" for the core one.
    rbac.v1.PolicyRule.nonResourceURLs: Paths that are no resource's.
    rbac.v1.PolicyRule.resourceNames: The objects that are meant; all of them if there are none.
    rbac.v1.PolicyRule.resources: The resources that are meant.
    rbac.v1.PolicyRule.verbs: What may be done.
    rbac.v1.RoleRef.apiGroup: The group of the role.
    rbac.v1.Subject.apiGroup: The group of the subject; the core one for accounts.
    scheduling.v1.PriorityClass.description: What it is for, for people.
    scheduling.v1.PriorityClass.globalDefault: Whether pods that name no class are of this one.
    scheduling.v1.PriorityClass.preemptionPolicy: Whether its pods may drive others away.
    scheduling.v1.PriorityClass.value: How important its pods are; more is more.
    storage.v1.CSIDriverSpec.attachRequired: Whether volumes must be attached to a node before they are mounted.
    storage.v1.CSIDriverSpec.fsGroupPolicy: Whether files of volumes get the group of the pod.
    storage.v1.CSIDriverSpec.podInfoOnMount: Whether the driver is told for which pod it mounts.
    storage.v1.CSIDriverSpec.requiresRepublish: Whether the driver is asked again and again to refresh what it mounted.
    storage.v1.CSIDriverSpec.seLinuxMount: Whether volumes can be mounted with an SELinux label.
    storage.v1.CSIDriverSpec.storageCapacity: Whether the driver tells how much room there is where.
    storage.v1.CSIDriverSpec.volumeLifecycleModes: Whether volumes live by themselves, with a pod, or both.
    storage.v1.CSINodeDriver.nodeID: What the driver calls the node.
    storage.v1.CSINodeDriver.topologyKeys: The labels of nodes by which the driver tells where volumes are.
    storage.v1.CSIStorageCapacity.capacity: How much room there is.
    storage.v1.CSIStorageCapacity.maximumVolumeSize: How large one volume can be.
    storage.v1.CSIStorageCapacity.storageClassName: The class of which there is so much room.
    storage.v1.StorageClass.allowVolumeExpansion: Whether its volumes can grow.
    storage.v1.StorageClass.mountOptions: Options that its volumes are mounted with.
    storage.v1.StorageClass.provisioner: Who makes its volumes.
    storage.v1.StorageClass.reclaimPolicy: What becomes of its volumes when their claims are gone.
    storage.v1.StorageClass.volumeBindingMode: Whether a volume is made at once or when a pod needs it.
    storage.v1.TokenRequest.audience: Whom the token is for.
    storage.v1.TokenRequest.expirationSeconds: How many seconds the token holds.
    storage.v1.VolumeAttachmentSource.persistentVolumeName: The volume that is attached.
    storage.v1.VolumeAttachmentSpec.attacher: Who attaches it.
    storage.v1.VolumeAttachmentStatus.attached: Whether it is attached.
    storage.v1.VolumeAttachmentStatus.attachmentMetadata: What is needed to mount it.
    storage.v1.VolumeAttributesClass.driverName: The driver that the attributes are for.
    storage.v1.VolumeError.errorCode: The code of the error, as gRPC has it.
    storage.v1.VolumeError.time: When it happened.
    storage.v1.VolumeNodeResources.count: How many volumes the node can have at once.
"""
