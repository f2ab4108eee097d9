"""What one node agent is told at its start.

Reads nothing: `wherry agent` and `python -m nodeagent` fill it from flags, environment and files (kube.settings).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

EVICTION_HARD: Final[Mapping[str, str]] = {
    "memory.available": "100Mi",
    "nodefs.available": "5%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "5%",
    "imagefs.inodesFree": "5%",
    "pid.available": "5%",
}
"""Less of the disk than kubelets keep free (10 and 15 %): on the machine of a developer that much is seldom free."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one node.

    node_address: "" finds it by the way to the server. port: of the HTTPS server, on node_address alone.
    state_dir: survives a reboot. run_dir: sockets, pins, secrets. image_dir: shared by all clusters of a machine.
    serving_cert, serving_key: of the HTTPS server; client_ca: signs the clients it answers. Without them it isn't run.
    allowed_unsafe_sysctls: kernel parameters that pods may set beside the safe ones; a name or a prefix with *.
    static_pod_dir: its files are pods that run without the API; None is STATE/static-pods.
    cri_endpoint: "" runs the built-in runtime beside the agent, unix:///PATH uses another one.
    runtime_handlers: OCI runtimes that a RuntimeClass may name, and their command lines; without any, those on PATH.
    cluster_cidr, service_cidr: address ranges of pods and Services. link_prefix: begins the names of links and rules.
    overlay: "routes" or "vxlan". capacity: what the node offers instead of what the machine has.
    image_high_percent, image_low_percent: with so much of the disk used unused images go, until it is so much.
    kube_reserved, system_reserved: what pods don't get of it; nor do they get what eviction_hard keeps free.
    eviction_hard, eviction_soft: less than so much of a signal ("10%", "100Mi") makes pods leave, at once or after
    eviction_soft_grace_period ("90s"), which ends pods within eviction_max_pod_grace_s; eviction_minimum_reclaim: how
    much more must be won back. eviction_pressure_transition_s: how long a node tells of pressure after it saw it last.
    pressure_look_s: how often it looks. See docs/node-pressure.md.
    shutdown_grace_s: how long pods have to end when the machine is switched off, the last shutdown_grace_critical_s of
    it for critical ones; shutdown_grace_by_priority instead names the seconds for each priority. See
    docs/node-shutdown.md.
    """

    node_name: str
    node_address: str = ""
    port: int = 10250
    state_dir: Path
    run_dir: Path
    image_dir: Path
    serving_cert: Path | None = None
    serving_key: Path | None = None
    client_ca: Path | None = None
    static_pod_dir: Path | None = None
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    cri_endpoint: str = ""
    runtime_handlers: Mapping[str, str] = {}
    allow_host_image: bool = False
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    cluster_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    link_prefix: str = "wherry"
    overlay: str = "routes"
    cgroup_parent: str = "/wherry"
    runs_proxy: bool = True
    runs_dns: bool = True
    capacity: Mapping[str, str] = {}
    kube_reserved: Mapping[str, str] = {}
    system_reserved: Mapping[str, str] = {}
    eviction_hard: Mapping[str, str] = msgspec.field(default_factory=lambda: dict(EVICTION_HARD))
    eviction_soft: Mapping[str, str] = {}
    eviction_soft_grace_period: Mapping[str, str] = {}
    eviction_minimum_reclaim: Mapping[str, str] = {}
    eviction_max_pod_grace_s: int = 0
    eviction_pressure_transition_s: float = 300.0
    pressure_look_s: float = 10.0
    shutdown_grace_s: int = 0
    shutdown_grace_critical_s: int = 0
    shutdown_grace_by_priority: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    taints: tuple[str, ...] = ()
    backoff_first_s: float = 10.0
    backoff_most_s: float = 300.0
    lease_s: int = 40
    lease_renew_s: float = 10.0
    status_report_s: float = 300.0
    image_high_percent: float = 85.0
    image_low_percent: float = 80.0
    log_max_bytes: int = 10 * 1024 * 1024
    log_max_files: int = 5

    @property
    def runtime_socket(self) -> Path:
        """The socket of the built-in runtime."""
        return self.run_dir / "runtime.sock"

    @property
    def told_file(self) -> Path:
        """Where the agent writes these settings down, for what runs beside it."""
        return self.run_dir / "agent.json"

    @property
    def pod_cidr_file(self) -> Path:
        """The file with the range of pod addresses that the node had last."""
        return self.state_dir / "pod-cidr"

    @property
    def static_pods(self) -> Path:
        """The folder whose files are static pods."""
        return self.static_pod_dir or self.state_dir / "static-pods"

    @property
    def endpoint(self) -> str:
        """Where the runtime is, as grpc names it."""
        if not self.cri_endpoint:
            return f"unix:{self.runtime_socket}"
        return "unix:" + self.cri_endpoint.removeprefix("unix://").removeprefix("unix:")


def encode_settings(settings: AgentSettings) -> str:
    """Return settings as JSON, for a process that runs beside the agent."""
    return msgspec.json.encode(settings, enc_hook=str).decode()


def told_settings(settings: AgentSettings) -> Mapping[str, Any]:
    """Return what may be told of settings to who may ask: all of them, in the words of a configuration file."""
    plain = msgspec.to_builtins(settings, enc_hook=str)
    return {first + "".join(map(str.title, rest)): plain[name] for name in plain for first, *rest in [name.split("_")]}


def decode_settings(data: bytes) -> AgentSettings:
    """Return the settings that `encode_settings` wrote. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=AgentSettings, dec_hook=_path)


def _path(wanted: type, value: Any) -> Path:
    if wanted is Path:
        return Path(value)
    raise TypeError(f"{wanted}: has no form as a setting")
