"""What the fields of pods are for: their containers, volumes, security, placement and status."""

from typing import Final

PODS: Final = """
    core.v1.AWSElasticBlockStoreVolumeSource.volumeID: What the cloud calls the disk.
    core.v1.AppArmorProfile.localhostProfile: The name of a profile that the node has loaded, for type Localhost.
    core.v1.AzureDiskVolumeSource.cachingMode: How the host caches the disk: None, ReadOnly or ReadWrite.
    core.v1.AzureDiskVolumeSource.diskName: The name of the disk.
    core.v1.AzureDiskVolumeSource.diskURI: Where the disk's data lie.
    core.v1.CSIVolumeSource.driver: The CSI driver that makes it.
    core.v1.CSIVolumeSource.volumeAttributes: What is handed to the driver; its meaning is the driver's.
    core.v1.Capabilities.add: Capabilities that it gets beside the usual ones.
    core.v1.Capabilities.drop: Capabilities that it doesn't get; ALL for none.
    core.v1.ClusterTrustBundleProjection.path: The file's path in the volume.
    core.v1.ClusterTrustBundleProjection.signerName: The signer whose bundles are put together.
    core.v1.ConfigMapKeySelector.key: The key in the config map.
    core.v1.Container.args: What is handed to the command; the image's own if there is none.
    core.v1.Container.command: The program and its first arguments; the image's entrypoint if there is none.
    core.v1.Container.env: Environment variables.
    core.v1.Container.envFrom: Whole config maps and secrets as environment variables.
    core.v1.Container.image: Which image to run.
    core.v1.Container.imagePullPolicy: When the image is fetched anew.
    core.v1.Container.ports: Ports that it listens on.
    core.v1.Container.restartPolicy: Always makes an init container one that goes on beside the others.
    core.v1.Container.stdin: Whether its standard input stays open.
    core.v1.Container.stdinOnce: Whether its standard input is closed once the first client that attached has gone.
    core.v1.Container.terminationMessagePath: The file in which it may say why it ended.
    core.v1.Container.terminationMessagePolicy: Whether its last output is taken where that file is empty.
    core.v1.Container.tty: Whether it gets a terminal.
    core.v1.Container.volumeDevices: Volumes that it sees as block devices.
    core.v1.Container.volumeMounts: Volumes and where it sees them.
    core.v1.Container.workingDir: The directory that it starts in.
    core.v1.ContainerPort.containerPort: The number of the port in the pod.
    core.v1.ContainerPort.hostIP: The address of the node at which hostPort listens; all of them if there is none.
    core.v1.ContainerPort.hostPort: The port of the node that leads to it.
    core.v1.ContainerPort.protocol: The protocol that it speaks.
    core.v1.ContainerResizePolicy.resourceName: The resource that is meant: cpu or memory.
    core.v1.ContainerResizePolicy.restartPolicy: Whether the container starts again when the resource is changed.
    core.v1.ContainerRestartRule.action: What is done where the rule fits.
    core.v1.ContainerRestartRuleOnExitCodes.operator: Whether the exit code must be among the values: In or NotIn.
    core.v1.ContainerRestartRuleOnExitCodes.values: The exit codes that are meant.
    core.v1.ContainerStateRunning.startedAt: When it was started last.
    core.v1.ContainerStateTerminated.containerID: What the runtime calls the container that ended.
    core.v1.ContainerStateTerminated.exitCode: The exit code of its first process.
    core.v1.ContainerStateTerminated.finishedAt: When it ended.
    core.v1.ContainerStateTerminated.signal: The signal that ended it.
    core.v1.ContainerStateTerminated.startedAt: When it had been started.
    core.v1.ContainerStatus.allocatedResources: How much its node keeps for it.
    core.v1.ContainerStatus.containerID: What the runtime calls it: the runtime's name and the ID.
    core.v1.ContainerStatus.image: The image that it runs.
    core.v1.ContainerStatus.imageID: The digest of the image that it runs.
    core.v1.ContainerStatus.ready: Whether it is ready to do its work.
    core.v1.ContainerStatus.restartCount: How often it was started again.
    core.v1.ContainerStatus.started: Whether it has started and its startup probe has succeeded.
    core.v1.ContainerStatus.stopSignal: The signal that asks it to end.
    core.v1.DownwardAPIVolumeFile.mode: The file's permissions; the volume's if there are none.
    core.v1.DownwardAPIVolumeFile.path: The file's path in the volume.
    core.v1.EmptyDirVolumeSource.medium: Where it lies: Memory, or on the node's disk.
    core.v1.EmptyDirVolumeSource.sizeLimit: How much may be stored in it.
    core.v1.EnvFromSource.prefix: What is put before the keys to make the names of variables.
    core.v1.EnvVar.value: Its value; $(OTHER) stands for an earlier variable.
    core.v1.EphemeralContainer.args: What is handed to the command; the image's own if there is none.
    core.v1.EphemeralContainer.command: The program and its first arguments; the image's entrypoint if there is none.
    core.v1.EphemeralContainer.image: Which image to run.
    core.v1.EphemeralContainer.imagePullPolicy: When the image is fetched anew.
    core.v1.EphemeralContainer.restartPolicy: Not to be set: such a container runs once.
    core.v1.EphemeralContainer.stdin: Whether its standard input stays open.
    core.v1.EphemeralContainer.stdinOnce: Whether its standard input is closed once the first client has gone.
    core.v1.EphemeralContainer.targetContainerName: The container whose processes it sees.
    core.v1.EphemeralContainer.terminationMessagePath: The file in which it may say why it ended.
    core.v1.EphemeralContainer.terminationMessagePolicy: Whether its last output is taken where that file is empty.
    core.v1.EphemeralContainer.tty: Whether it gets a terminal.
    core.v1.EphemeralContainer.workingDir: The directory that it starts in.
    core.v1.ExecAction.command: The program and its arguments; 0 is success. No shell reads it.
    core.v1.FCVolumeSource.lun: The number of the unit at the target.
    core.v1.FCVolumeSource.targetWWNs: The worldwide names of the target.
    core.v1.FCVolumeSource.wwids: The worldwide identifiers of the volume.
    core.v1.FileKeySelector.key: The variable in the file.
    core.v1.FileKeySelector.path: The file's path in the volume.
    core.v1.FileKeySelector.volumeName: The emptyDir volume that the file is in.
    core.v1.FlexVolumeSource.driver: The driver that makes it.
    core.v1.FlexVolumeSource.options: What is handed to the driver.
    core.v1.GCEPersistentDiskVolumeSource.pdName: What the cloud calls the disk.
    core.v1.GRPCAction.port: The port to ask.
    core.v1.GRPCAction.service: The service that is asked for in the health check.
    core.v1.GitRepoVolumeSource.directory: The directory that it is cloned into.
    core.v1.GitRepoVolumeSource.repository: Where the repository is.
    core.v1.GitRepoVolumeSource.revision: The commit to check out.
    core.v1.GlusterfsVolumeSource.endpoints: The Endpoints that list the servers.
    core.v1.GlusterfsVolumeSource.path: The name of the volume there.
    core.v1.HTTPGetAction.host: The host to ask; the pod itself if there is none.
    core.v1.HTTPGetAction.httpHeaders: Headers that are sent with it.
    core.v1.HTTPGetAction.path: The path to ask for.
    core.v1.HTTPGetAction.port: The port to ask, by number or name.
    core.v1.HTTPGetAction.scheme: HTTP or HTTPS.
    core.v1.HTTPHeader.value: What the header says.
    core.v1.HostAlias.hostnames: Names that lead to the address.
    core.v1.HostAlias.ip: The address.
    core.v1.HostIP.ip: An address of the node.
    core.v1.HostPathVolumeSource.path: The path on the node.
    core.v1.HostPathVolumeSource.type: What must be there, or is made if it isn't.
    core.v1.ISCSIVolumeSource.iqn: The qualified name of the target.
    core.v1.ISCSIVolumeSource.iscsiInterface: The interface that it is reached through.
    core.v1.ISCSIVolumeSource.lun: The number of the unit at the target.
    core.v1.ISCSIVolumeSource.portals: More addresses of the target.
    core.v1.ISCSIVolumeSource.targetPortal: The address of the target, with its port where that isn't 3260.
    core.v1.ImageVolumeSource.pullPolicy: When the image is fetched anew.
    core.v1.ImageVolumeSource.reference: The image whose files are mounted.
    core.v1.KeyToPath.key: The key whose value becomes a file.
    core.v1.KeyToPath.mode: The file's permissions; the volume's if there are none.
    core.v1.KeyToPath.path: The file's path in the volume.
    core.v1.Lifecycle.stopSignal: The signal that asks the container to end; the image's own if there is none.
    core.v1.NFSVolumeSource.path: The directory that the server exports.
    core.v1.NFSVolumeSource.server: The name or address of the server.
    core.v1.NodeSelectorRequirement.key: The label that is looked at.
    core.v1.NodeSelectorRequirement.operator: In, NotIn, Exists, DoesNotExist, Gt or Lt.
    core.v1.NodeSelectorRequirement.values: What the label's value is compared with.
    core.v1.ObjectFieldSelector.fieldPath: Which field: metadata.name, metadata.labels['a'], status.podIP, ...
    core.v1.PersistentVolumeClaimVolumeSource.claimName: The claim whose volume is mounted.
    core.v1.PodAffinityTerm.matchLabelKeys: Labels whose values are to be those of the pod itself.
    core.v1.PodAffinityTerm.mismatchLabelKeys: Labels whose values are to be other than those of the pod itself.
    core.v1.PodAffinityTerm.namespaces: The namespaces whose pods count; the pod's own if none are named.
    core.v1.PodAffinityTerm.topologyKey: The label of nodes that says which of them are in one place.
    core.v1.PodCertificateProjection.certificateChainPath: The file that gets the certificates.
    core.v1.PodCertificateProjection.credentialBundlePath: The file that gets the key and the certificates.
    core.v1.PodCertificateProjection.keyPath: The file that gets the private key.
    core.v1.PodCertificateProjection.keyType: The sort of key: RSA3072, ECDSAP256, ED25519, ...
    core.v1.PodCertificateProjection.maxExpirationSeconds: How many seconds the certificate may hold at most.
    core.v1.PodCertificateProjection.signerName: Who is to sign the certificate.
    core.v1.PodDNSConfig.nameservers: Name servers that are asked beside those of the policy.
    core.v1.PodDNSConfig.searches: Domains in which short names are looked for.
    core.v1.PodDNSConfigOption.value: Its value, where it has one.
    core.v1.PodIP.ip: An address of the pod.
    core.v1.PodReadinessGate.conditionType: The condition that must be True before the pod is ready.
    core.v1.PodResourceClaim.resourceClaimName: The ResourceClaim that is used.
    core.v1.PodResourceClaim.resourceClaimTemplateName: The template from which the pod gets a claim of its own.
    core.v1.PodResourceClaimStatus.resourceClaimName: The ResourceClaim that was made for it.
    core.v1.PodSecurityContext.fsGroup: The group that owns the files of volumes, and that processes are in.
    core.v1.PodSecurityContext.fsGroupChangePolicy: Whether files get their owner always or only where needed.
    core.v1.PodSecurityContext.runAsGroup: The group that first processes are in.
    core.v1.PodSecurityContext.runAsNonRoot: Whether containers are refused that would run as root.
    core.v1.PodSecurityContext.runAsUser: The user that first processes run as.
    core.v1.PodSecurityContext.seLinuxChangePolicy: How the SELinux label comes to a volume's files.
    core.v1.PodSecurityContext.supplementalGroups: More groups that processes are in.
    core.v1.PodSecurityContext.supplementalGroupsPolicy: Whether groups of the image count too: Merge or Strict.
    core.v1.PodSpec.activeDeadlineSeconds: How many seconds the pod may run before it is ended.
    core.v1.PodSpec.automountServiceAccountToken: Whether it gets a token of its account.
    core.v1.PodSpec.containers: What it runs; at least one.
    core.v1.PodSpec.dnsPolicy: Whose name servers it asks.
    core.v1.PodSpec.enableServiceLinks: Whether it gets the addresses of Services as environment variables.
    core.v1.PodSpec.ephemeralContainers: What was put into it later to look at it.
    core.v1.PodSpec.hostAliases: Lines of its hosts file.
    core.v1.PodSpec.hostIPC: Whether it shares the node's interprocess communication.
    core.v1.PodSpec.hostNetwork: Whether it uses the node's own network.
    core.v1.PodSpec.hostPID: Whether it sees the node's processes.
    core.v1.PodSpec.hostUsers: Whether its users are the node's own.
    core.v1.PodSpec.hostname: What it calls itself; its name if there is none.
    core.v1.PodSpec.hostnameOverride: What it calls itself, whatever DNS calls it.
    core.v1.PodSpec.imagePullSecrets: Secrets with which images are fetched.
    core.v1.PodSpec.initContainers: What runs before, one after another, each to its end.
    core.v1.PodSpec.nodeName: The node that it runs on; the scheduler finds one if there is none.
    core.v1.PodSpec.nodeSelector: Labels that its node must have.
    core.v1.PodSpec.overhead: What running it costs beside its containers; its runtime class says it.
    core.v1.PodSpec.preemptionPolicy: Whether it may drive others away; its priority class says it.
    core.v1.PodSpec.priority: How important it is; the number of its priority class.
    core.v1.PodSpec.priorityClassName: The priority class that says how important it is.
    core.v1.PodSpec.readinessGates: Conditions that must be True before it is ready.
    core.v1.PodSpec.resourceClaims: Devices that its containers may use.
    core.v1.PodSpec.restartPolicy: When its containers are started again.
    core.v1.PodSpec.runtimeClassName: The runtime class that it runs with.
    core.v1.PodSpec.schedulerName: Who finds a node for it.
    core.v1.PodSpec.schedulingGates: What it waits for before a node is looked for.
    core.v1.PodSpec.serviceAccount: The older name of serviceAccountName.
    core.v1.PodSpec.serviceAccountName: The account that it acts as.
    core.v1.PodSpec.setHostnameAsFQDN: Whether it calls itself by its whole name in DNS.
    core.v1.PodSpec.shareProcessNamespace: Whether its containers see one another's processes.
    core.v1.PodSpec.subdomain: The headless Service below whose name it is found in DNS.
    core.v1.PodSpec.terminationGracePeriodSeconds: How many seconds its processes have to end by themselves.
    core.v1.PodSpec.tolerations: Taints of nodes that it does not mind.
    core.v1.PodSpec.topologySpreadConstraints: How it and its like are spread over nodes and zones.
    core.v1.PodSpec.volumes: Volumes that its containers may mount.
    core.v1.PodStatus.containerStatuses: How each of its containers is.
    core.v1.PodStatus.hostIP: The address of its node.
    core.v1.PodStatus.initContainerStatuses: How each of its init containers is.
    core.v1.PodStatus.nominatedNodeName: The node on which room is made for it.
    core.v1.PodStatus.phase: How far it is: Pending, Running, Succeeded, Failed.
    core.v1.PodStatus.podIP: Its address.
    core.v1.PodStatus.podIPs: All its addresses.
    core.v1.PodStatus.qosClass: How it is treated where memory is short.
    core.v1.PodStatus.resize: How far a change of its resources is.
    core.v1.PodStatus.startTime: When its node took it on.
    core.v1.PreferredSchedulingTerm.weight: How much it counts, 1 to 100.
    core.v1.Probe.failureThreshold: How many failures in a row make it fail.
    core.v1.Probe.initialDelaySeconds: How many seconds after the start the first probe is made.
    core.v1.Probe.periodSeconds: How many seconds lie between two probes.
    core.v1.Probe.successThreshold: How many successes in a row make it succeed again.
    core.v1.Probe.timeoutSeconds: How many seconds an answer may take.
    core.v1.RBDVolumeSource.image: The name of the image there.
    core.v1.RBDVolumeSource.monitors: The addresses of Ceph's monitors.
    core.v1.RBDVolumeSource.pool: The pool that the image is in.
    core.v1.ResourceClaim.request: The request of the claim that is meant; all of them if there is none.
    core.v1.ResourceFieldSelector.containerName: The container that is meant; in variables, the container itself.
    core.v1.ResourceFieldSelector.divisor: The unit in which it is told.
    core.v1.ResourceFieldSelector.resource: Which amount: limits.cpu, requests.memory, ...
    core.v1.ResourceRequirements.claims: Claims of the pod that the container uses.
    core.v1.ResourceRequirements.limits: How much it may use at most.
    core.v1.ResourceRequirements.requests: How much is kept for it on its node.
    core.v1.SELinuxOptions.level: The level of the label.
    core.v1.SELinuxOptions.role: The role of the label.
    core.v1.SELinuxOptions.user: The user of the label.
    core.v1.SeccompProfile.localhostProfile: A file of the node with the profile, for type Localhost.
    core.v1.SecretKeySelector.key: The key in the secret.
    core.v1.SecretVolumeSource.secretName: The secret whose keys become files.
    core.v1.SecurityContext.allowPrivilegeEscalation: Whether its processes may gain rights that their parents lack.
    core.v1.SecurityContext.privileged: Whether it may do all that root on the node may.
    core.v1.SecurityContext.procMount: Whether parts of /proc are hidden from it.
    core.v1.SecurityContext.readOnlyRootFilesystem: Whether its root file system can't be written to.
    core.v1.SecurityContext.runAsGroup: The group that its first process is in.
    core.v1.SecurityContext.runAsNonRoot: Whether it is refused when it would run as root.
    core.v1.SecurityContext.runAsUser: The user that its first process runs as.
    core.v1.ServiceAccountTokenProjection.audience: Whom the token is for; the API server if nobody is named.
    core.v1.ServiceAccountTokenProjection.expirationSeconds: How many seconds the token holds; it is renewed before.
    core.v1.ServiceAccountTokenProjection.path: The file's path in the volume.
    core.v1.SleepAction.seconds: How many seconds to wait.
    core.v1.Sysctl.value: What the kernel's parameter is set to.
    core.v1.TCPSocketAction.host: The host to connect to; the pod itself if there is none.
    core.v1.TCPSocketAction.port: The port to connect to, by number or name.
    core.v1.Toleration.effect: The effect that is tolerated; all of them if there is none.
    core.v1.Toleration.key: The taint that is tolerated; all of them if there is none.
    core.v1.Toleration.operator: Whether the value must be equal, or need only exist.
    core.v1.Toleration.tolerationSeconds: How many seconds it stays where such a taint would drive it away.
    core.v1.Toleration.value: The taint's value, where the operator is Equal.
    core.v1.TopologySpreadConstraint.matchLabelKeys: Labels whose values are to be those of the pod itself.
    core.v1.TopologySpreadConstraint.maxSkew: By how many pods places may differ.
    core.v1.TopologySpreadConstraint.minDomains: How many places there should be at least.
    core.v1.TopologySpreadConstraint.nodeAffinityPolicy: Whether only nodes count that the pod selects: Honor or Ignore.
    core.v1.TopologySpreadConstraint.nodeTaintsPolicy: Whether only nodes count that the pod tolerates: Honor or Ignore.
    core.v1.TopologySpreadConstraint.topologyKey: The label of nodes that says which of them are in one place.
    core.v1.TopologySpreadConstraint.whenUnsatisfiable: Whether the pod waits or goes where it skews least.
    core.v1.TypedLocalObjectReference.apiGroup: The group of what is meant; the core one if there is none.
    core.v1.TypedObjectReference.apiGroup: The group of what is meant; the core one if there is none.
    core.v1.VolumeDevice.devicePath: Where the container sees the device.
    core.v1.VolumeMount.mountPath: Where the container sees it.
    core.v1.VolumeMount.mountPropagation: Whether mounts made later are seen in the container, or outside.
    core.v1.VolumeMount.recursiveReadOnly: Whether mounts below it can't be written to either.
    core.v1.VolumeMount.subPath: The part of the volume that is mounted.
    core.v1.VolumeMount.subPathExpr: The part of the volume that is mounted; $(NAME) stands for a variable.
    core.v1.VolumeMountStatus.mountPath: Where the container sees it.
    core.v1.VsphereVirtualDiskVolumeSource.volumePath: Where the disk lies.
    core.v1.WeightedPodAffinityTerm.weight: How much it counts, 1 to 100.
    core.v1.WindowsSecurityContextOptions.hostProcess: Whether it runs as a process of the host.
    core.v1.WindowsSecurityContextOptions.runAsUserName: The user that its first process runs as.
"""
