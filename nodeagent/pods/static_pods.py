"""Pods that are told of by files on the node itself, and run whether or not the API can be reached.

Keeps true: a file's pod runs as long as the file is there; another content is another pod, which starts when the one
before is gone; each has a mirror pod in the API, by which it can be seen, and whose deletion ends nothing.
Reads a folder; writes mirror pods. Source: kubernetes.io/docs/tasks/configure-pod-container/static-pod.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from kube import codec, yaml
from kube.api.core_v1 import Pod, Toleration
from kube.api.meta_v1 import OwnerReference
from kube.objects import ObjectKey, key_of, with_metadata

SUFFIXES: Final = (".yaml", ".yml", ".json")
HASH: Final = "kubernetes.io/config.hash"
MIRROR: Final = "kubernetes.io/config.mirror"
SOURCE: Final = "kubernetes.io/config.source"
FROM_FILE: Final = "file"
_EVERYTHING: Final = Toleration(operator="Exists", effect="NoExecute")


class StaticPodError(ValueError):
    """A file holds no pod that a node can run by itself."""


def is_static(pod: Pod) -> bool:
    """Say whether a pod comes from a file of the node: only such a one has its hash for a uid, whatever it claims."""
    return pod.metadata.annotations.get(HASH) == pod.metadata.uid


def is_mirror(pod: Pod) -> bool:
    """Say whether a pod of the API is the picture of a static pod."""
    return MIRROR in pod.metadata.annotations


def read_static_pods(folder: Path, node: str) -> tuple[dict[ObjectKey, Pod], list[str]]:
    """Return the pods that a folder's files hold, and what is wrong with the others."""
    pods: dict[ObjectKey, Pod] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.suffix not in SUFFIXES or path.name.startswith("."):
            continue
        try:
            pod = static_pod(path.read_text(), str(path), node)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError, StaticPodError) as error:
            problems.append(f"{path}: {error}")
            continue
        if key_of(pod) in pods:
            problems.append(f"{path}: another file already holds a pod of this name; give it another one")
        else:
            pods[key_of(pod)] = pod
    return pods, problems


def static_pod(text: str, where: str, node: str) -> Pod:
    """Return the pod that a file's text describes, as its node runs it. Raises StaticPodError."""
    try:
        pod = codec.from_plain(yaml.load(text, where), Pod)
    except (yaml.YamlError, codec.DecodeError) as error:
        raise StaticPodError(f"can't be read as a Pod: {error}") from error
    if (pod.api_version, pod.kind) not in (("v1", "Pod"), ("", "")) or not pod.metadata.name:
        raise StaticPodError("holds no Pod with a name")
    refusal = needs_api(pod)
    if refusal:
        raise StaticPodError(f"{refusal}: a static pod can't refer to objects of the API")
    uid = hashlib.md5(f"{node}\0{where}\0{text}".encode(), usedforsecurity=False).hexdigest()
    meta = replace(
        pod.metadata,
        name=f"{pod.metadata.name}-{node}",
        namespace=pod.metadata.namespace or "default",
        uid=uid,
        annotations={**pod.metadata.annotations, HASH: uid, SOURCE: FROM_FILE},
        generation=1,
    )
    tolerations = (*pod.spec.tolerations, _EVERYTHING)
    return replace(pod, metadata=meta, spec=replace(pod.spec, node_name=node, tolerations=tolerations))


def needs_api(pod: Pod) -> str:
    """Return the first field of a pod that refers to an object of the API, "" where none does."""
    spec = pod.spec
    if spec.service_account_name or spec.service_account:
        return "spec.serviceAccountName"
    if spec.ephemeral_containers:
        return "spec.ephemeralContainers"
    for volume in spec.volumes:
        if volume.secret or volume.config_map or volume.projected or volume.persistent_volume_claim or volume.ephemeral:
            return f"spec.volumes: {volume.name}"
    for container in (*spec.init_containers, *spec.containers):
        sources = [variable.value_from for variable in container.env if variable.value_from is not None]
        if container.env_from or any(source.config_map_key_ref or source.secret_key_ref for source in sources):
            return f"the environment of container {container.name}"
    return ""


def mirror_of(pod: Pod, node_uid: str) -> Pod:
    """Return what stands for a static pod in the API. node_uid: of the Node, which owns it."""
    owner = OwnerReference(api_version="v1", kind="Node", name=pod.spec.node_name, uid=node_uid, controller=True)
    annotations = {**pod.metadata.annotations, MIRROR: pod.metadata.uid}
    made = with_metadata(pod, uid="", annotations=annotations, owner_references=(owner,), generation=0)
    return replace(made, status=type(pod.status)())


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """What to do with mirror pods now. doomed: to be deleted without grace."""

    wanted: tuple[Pod, ...] = ()
    doomed: tuple[Pod, ...] = ()


def plan_mirrors(running: Iterable[Pod], mirrors: Mapping[ObjectKey, Pod]) -> MirrorPlan:
    """Return which mirror pods to make and which to delete, so that each running static pod has its own."""
    static = {key_of(pod): pod for pod in running}
    doomed = []
    for key, mirror in mirrors.items():
        of = static.get(key)
        is_its_own = of is not None and mirror.metadata.annotations.get(MIRROR) == of.metadata.uid
        if not is_its_own or mirror.metadata.deletion_timestamp is not None:
            doomed.append(mirror)
    return MirrorPlan(tuple(pod for key, pod in static.items() if key not in mirrors), tuple(doomed))
