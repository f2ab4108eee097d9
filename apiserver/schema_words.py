"""What single fields are for, in our words, as `kubectl explain` shows them.

A field whose type is an object is told of by that type, unless it stands in FIELDS. EVERYWHERE holds for all other
fields of a name.
"""

from collections.abc import Mapping
from typing import Final


def _words(table: str) -> Mapping[str, str]:
    """Read lines of a name and what is said of it."""
    return {name: words for name, _, words in (line.strip().partition(": ") for line in table.strip().splitlines())}


EVERYWHERE: Final = _words("""
    annotations: Notes that programs leave on the object; nothing selects by them.
    apiVersion: The group and version of the schema that the object follows.
    conditions: What is and isn't true of the object now, each with since when and why.
    items: The objects of the list.
    kind: What the object is: the name of its type.
    labels: Names and values by which objects are selected.
    lastTransitionTime: When the status last changed.
    lastProbeTime: When it was last looked at.
    lastUpdateTime: When this was last written.
    matchLabels: Labels that must all be there with these values.
    matchExpressions: Tests of labels that must all pass.
    message: What there is to say about it, for people.
    minReadySeconds: How many seconds a new pod must be ready before it counts as available.
    name: What it is called.
    namespace: The namespace that it is in.
    nodeName: The node that it is on.
    observedGeneration: The generation of the spec that this status is about.
    optional: Whether it may be missing.
    parameters: What is handed to the one who acts on it; its meaning is theirs.
    reason: Why, as one word for programs.
    readOnly: Whether it can't be written to.
    replicas: How many pods there are.
    resourceVersion: The state of the object, as a mark to compare with and to watch from.
    status: True, False or Unknown.
    terminationGracePeriodSeconds: How many seconds its processes have to end by themselves.
    type: Which sort of it this is.
    uid: What tells the object from all others, at any time.
""")

FIELDS: Final = _words("""
    apps.v1.DaemonSetSpec.revisionHistoryLimit: How many old versions of the template are kept to go back to.
    apps.v1.DeploymentSpec.paused: Whether changes of the template wait until this is taken away.
    apps.v1.DeploymentSpec.progressDeadlineSeconds: After how many seconds without progress a rollout counts as failed.
    apps.v1.DeploymentSpec.replicas: How many pods there should be.
    apps.v1.DeploymentSpec.revisionHistoryLimit: How many old ReplicaSets are kept to go back to.
    apps.v1.ReplicaSetSpec.replicas: How many pods there should be.
    apps.v1.RollingUpdateDeployment.maxSurge: How many pods there may be beyond the wanted number while it rolls.
    apps.v1.RollingUpdateDeployment.maxUnavailable: How many pods may be missing from the wanted number while it rolls.
    apps.v1.StatefulSetSpec.podManagementPolicy: Whether pods come and go one after another or all at once.
    apps.v1.StatefulSetSpec.replicas: How many pods there should be.
    apps.v1.StatefulSetSpec.serviceName: The headless Service that gives the pods their names in DNS.
    apps.v1.StatefulSetSpec.volumeClaimTemplates: Claims that each pod gets its own copy of.
    autoscaling.v2.HorizontalPodAutoscalerSpec.maxReplicas: How many pods there may be at most.
    autoscaling.v2.HorizontalPodAutoscalerSpec.metrics: What is measured and what it should be; the largest wins.
    autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas: How many pods there are at least.
    autoscaling.v2.MetricTarget.averageUtilization: The part of what pods ask for that they should use, in percent.
    autoscaling.v2.MetricTarget.averageValue: The value that it should have over all pods on average.
    autoscaling.v2.MetricTarget.value: The value that it should have.
    batch.v1.CronJobSpec.concurrencyPolicy: What happens when the last run is not over: start, skip or replace it.
    batch.v1.CronJobSpec.failedJobsHistoryLimit: How many failed jobs are kept.
    batch.v1.CronJobSpec.schedule: When it runs, as cron writes it: minute, hour, day, month, day of the week.
    batch.v1.CronJobSpec.startingDeadlineSeconds: How many seconds late a run may start.
    batch.v1.CronJobSpec.successfulJobsHistoryLimit: How many finished jobs are kept.
    batch.v1.CronJobSpec.suspend: Whether no new runs start.
    batch.v1.CronJobSpec.timeZone: The time zone of the schedule, such as Europe/Zurich.
    batch.v1.JobSpec.activeDeadlineSeconds: How many seconds the job may take before it is ended.
    batch.v1.JobSpec.backoffLimit: How many failed pods are too many.
    batch.v1.JobSpec.completionMode: Whether any so many successes will do, or one for each index.
    batch.v1.JobSpec.completions: How many pods must succeed.
    batch.v1.JobSpec.manualSelector: Whether the selector is given instead of made.
    batch.v1.JobSpec.parallelism: How many pods may run at once.
    batch.v1.JobSpec.suspend: Whether no pods run for now.
    batch.v1.JobSpec.ttlSecondsAfterFinished: How many seconds the job is kept once it is over.
    core.v1.ConfigMap.binaryData: Values that are no text, in base64.
    core.v1.ConfigMap.data: Texts by their keys.
    core.v1.ConfigMap.immutable: Whether its data can't be changed any more.
    core.v1.Container.args: What is handed to the command; the image's own if there is none.
    core.v1.Container.command: The program and its first arguments; the image's entrypoint if there is none.
    core.v1.Container.env: Environment variables.
    core.v1.Container.envFrom: Whole config maps and secrets as environment variables.
    core.v1.Container.image: Which image to run.
    core.v1.Container.imagePullPolicy: When the image is fetched anew.
    core.v1.Container.ports: Ports that it listens on.
    core.v1.Container.restartPolicy: Always makes an init container one that goes on beside the others.
    core.v1.Container.stdin: Whether its standard input stays open.
    core.v1.Container.terminationMessagePath: The file in which it may say why it ended.
    core.v1.Container.terminationMessagePolicy: Whether its last output is taken where that file is empty.
    core.v1.Container.tty: Whether it gets a terminal.
    core.v1.Container.volumeDevices: Volumes that it sees as block devices.
    core.v1.Container.volumeMounts: Volumes and where it sees them.
    core.v1.Container.workingDir: The directory that it starts in.
    core.v1.ContainerPort.containerPort: The number of the port in the pod.
    core.v1.ContainerPort.hostPort: The port of the node that leads to it.
    core.v1.ContainerPort.protocol: The protocol that it speaks.
    core.v1.EmptyDirVolumeSource.medium: Where it lies: Memory, or on the node's disk.
    core.v1.EmptyDirVolumeSource.sizeLimit: How much may be stored in it.
    core.v1.EnvVar.value: Its value; $(OTHER) stands for an earlier variable.
    core.v1.HTTPGetAction.host: The host to ask; the pod itself if there is none.
    core.v1.HTTPGetAction.path: The path to ask for.
    core.v1.HTTPGetAction.port: The port to ask, by number or name.
    core.v1.HTTPGetAction.scheme: HTTP or HTTPS.
    core.v1.HostPathVolumeSource.path: The path on the node.
    core.v1.HostPathVolumeSource.type: What must be there, or is made if it isn't.
    core.v1.NamespaceSpec.finalizers: Who must be done with the namespace before it is gone.
    core.v1.NodeSpec.podCIDR: The range that pods of the node get their addresses from.
    core.v1.NodeSpec.providerID: What the cloud calls the node.
    core.v1.NodeSpec.taints: Marks that keep pods away which do not tolerate them.
    core.v1.NodeSpec.unschedulable: Whether no new pods come here.
    core.v1.PersistentVolumeClaimSpec.accessModes: By how many nodes it is to be used, and whether for writing.
    core.v1.PersistentVolumeClaimSpec.storageClassName: The class that the volume is to be of; "" for none.
    core.v1.PersistentVolumeClaimSpec.volumeMode: Whether it is a file system or a block device.
    core.v1.PersistentVolumeClaimSpec.volumeName: The volume that is bound to it.
    core.v1.PersistentVolumeSpec.accessModes: By how many nodes it can be used, and whether for writing.
    core.v1.PersistentVolumeSpec.capacity: How much it holds.
    core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy: What becomes of it when its claim is gone.
    core.v1.PersistentVolumeSpec.storageClassName: The class that it is of.
    core.v1.PodSpec.activeDeadlineSeconds: How many seconds the pod may run before it is ended.
    core.v1.PodSpec.automountServiceAccountToken: Whether it gets a token of its account.
    core.v1.PodSpec.containers: What it runs; at least one.
    core.v1.PodSpec.dnsPolicy: Whose name servers it asks.
    core.v1.PodSpec.hostNetwork: Whether it uses the node's own network.
    core.v1.PodSpec.hostPID: Whether it sees the node's processes.
    core.v1.PodSpec.hostname: What it calls itself; its name if there is none.
    core.v1.PodSpec.initContainers: What runs before, one after another, each to its end.
    core.v1.PodSpec.nodeName: The node that it runs on; the scheduler finds one if there is none.
    core.v1.PodSpec.nodeSelector: Labels that its node must have.
    core.v1.PodSpec.priority: How important it is; the number of its priority class.
    core.v1.PodSpec.priorityClassName: The priority class that says how important it is.
    core.v1.PodSpec.restartPolicy: When its containers are started again.
    core.v1.PodSpec.runtimeClassName: The runtime class that it runs with.
    core.v1.PodSpec.schedulerName: Who finds a node for it.
    core.v1.PodSpec.schedulingGates: What it waits for before a node is looked for.
    core.v1.PodSpec.serviceAccountName: The account that it acts as.
    core.v1.PodSpec.tolerations: Taints of nodes that it does not mind.
    core.v1.PodSpec.topologySpreadConstraints: How it and its like are spread over nodes and zones.
    core.v1.PodSpec.volumes: Volumes that its containers may mount.
    core.v1.PodStatus.hostIP: The address of its node.
    core.v1.PodStatus.phase: How far it is: Pending, Running, Succeeded, Failed.
    core.v1.PodStatus.podIP: Its address.
    core.v1.PodStatus.qosClass: How it is treated where memory is short.
    core.v1.PodStatus.startTime: When its node took it on.
    core.v1.Probe.failureThreshold: How many failures in a row make it fail.
    core.v1.Probe.initialDelaySeconds: How many seconds after the start the first probe is made.
    core.v1.Probe.periodSeconds: How many seconds lie between two probes.
    core.v1.Probe.successThreshold: How many successes in a row make it succeed again.
    core.v1.Probe.timeoutSeconds: How many seconds an answer may take.
    core.v1.ResourceRequirements.limits: How much it may use at most.
    core.v1.ResourceRequirements.requests: How much is kept for it on its node.
    core.v1.Secret.data: Values by their keys, in base64.
    core.v1.Secret.immutable: Whether its data can't be changed any more.
    core.v1.Secret.stringData: Values as plain text, which are put into data.
    core.v1.SecurityContext.allowPrivilegeEscalation: Whether its processes may gain rights that their parents lack.
    core.v1.SecurityContext.privileged: Whether it may do all that root on the node may.
    core.v1.SecurityContext.readOnlyRootFilesystem: Whether its root file system can't be written to.
    core.v1.SecurityContext.runAsGroup: The group that its first process is in.
    core.v1.SecurityContext.runAsNonRoot: Whether it is refused when it would run as root.
    core.v1.SecurityContext.runAsUser: The user that its first process runs as.
    core.v1.ServicePort.nodePort: The port of every node that leads to it.
    core.v1.ServicePort.port: The port of the Service.
    core.v1.ServicePort.protocol: The protocol that it speaks.
    core.v1.ServicePort.targetPort: The port of the pods, by number or name.
    core.v1.ServiceSpec.clusterIP: Its address in the cluster; None for one without.
    core.v1.ServiceSpec.externalIPs: Addresses of nodes from outside at which it is reached too.
    core.v1.ServiceSpec.externalName: The name that DNS gives instead of an address.
    core.v1.ServiceSpec.externalTrafficPolicy: Whether traffic from outside stays on the node where it comes in.
    core.v1.ServiceSpec.internalTrafficPolicy: Whether traffic from inside stays on its node.
    core.v1.ServiceSpec.ports: Ports and where they lead.
    core.v1.ServiceSpec.publishNotReadyAddresses: Whether pods that are not ready are told of too.
    core.v1.ServiceSpec.selector: Labels of the pods that it leads to.
    core.v1.ServiceSpec.sessionAffinity: Whether a client stays with the pod that it got first.
    core.v1.ServiceSpec.type: Who can reach it: the cluster, everybody at a node, or through a balancer.
    core.v1.Toleration.key: The taint that is tolerated; all of them if there is none.
    core.v1.Toleration.operator: Whether the value must be equal, or need only exist.
    core.v1.Toleration.tolerationSeconds: How many seconds it stays where such a taint would drive it away.
    core.v1.VolumeMount.mountPath: Where the container sees it.
    core.v1.VolumeMount.subPath: The part of the volume that is mounted.
    meta.v1.LabelSelectorRequirement.operator: In, NotIn, Exists or DoesNotExist.
    meta.v1.LabelSelectorRequirement.values: The values of In and NotIn.
    meta.v1.ObjectMeta.creationTimestamp: When it was made.
    meta.v1.ObjectMeta.deletionTimestamp: When it is to be gone.
    meta.v1.ObjectMeta.finalizers: Who must be done with it before it is gone.
    meta.v1.ObjectMeta.generateName: What a name that the server makes up begins with.
    meta.v1.ObjectMeta.generation: Counts the changes of what is asked for.
    meta.v1.ObjectMeta.managedFields: Who set which field last.
    meta.v1.ObjectMeta.ownerReferences: The objects that it goes with when they are deleted.
    networking.v1.HTTPIngressPath.path: The path, or what paths begin with.
    networking.v1.HTTPIngressPath.pathType: Whether paths must be equal or begin so.
    networking.v1.IngressRule.host: The host that is asked for.
    networking.v1.IngressSpec.ingressClassName: The class that says who serves it.
    networking.v1.IngressSpec.rules: What is asked for and where that leads.
    networking.v1.NetworkPolicySpec.egress: What the pods may reach.
    networking.v1.NetworkPolicySpec.ingress: Who may reach the pods.
    networking.v1.NetworkPolicySpec.policyTypes: The directions that it rules.
    policy.v1.PodDisruptionBudgetSpec.maxUnavailable: How many pods may be missing, as a number or percentage.
    policy.v1.PodDisruptionBudgetSpec.minAvailable: How many pods must be left, as a number or percentage.
    rbac.v1.PolicyRule.apiGroups: The groups of the resources; "" for the core one.
    rbac.v1.PolicyRule.nonResourceURLs: Paths that are no resource's.
    rbac.v1.PolicyRule.resourceNames: The objects that are meant; all of them if there are none.
    rbac.v1.PolicyRule.resources: The resources that are meant.
    rbac.v1.PolicyRule.verbs: What may be done.
    scheduling.v1.PriorityClass.globalDefault: Whether pods that name no class are of this one.
    scheduling.v1.PriorityClass.preemptionPolicy: Whether its pods may drive others away.
    scheduling.v1.PriorityClass.value: How important its pods are; more is more.
    storage.v1.StorageClass.allowVolumeExpansion: Whether its volumes can grow.
    storage.v1.StorageClass.provisioner: Who makes its volumes.
    storage.v1.StorageClass.reclaimPolicy: What becomes of its volumes when their claims are gone.
    storage.v1.StorageClass.volumeBindingMode: Whether a volume is made at once or when a pod needs it.
""")
