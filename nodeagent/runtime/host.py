"""What the parts of the runtime share: settings, cgroups, images, network, zygote, events, security modules, time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from nodeagent.runtime.apparmor import AppArmor
from nodeagent.runtime.cgroups import Cgroups
from nodeagent.runtime.events import Events
from nodeagent.runtime.images.store import ImageStore
from nodeagent.runtime.sandbox_network import Network
from nodeagent.runtime.selinux import SELinux
from nodeagent.runtime.settings import RuntimeSettings
from nodeagent.runtime.zygote_client import Zygote


@dataclass(frozen=True)
class Host:
    """The machine as one runtime sees it; made once by `server`."""

    settings: RuntimeSettings
    cgroups: Cgroups
    images: ImageStore
    network: Network
    zygote: Zygote
    events: Events
    apparmor: AppArmor = field(default_factory=AppArmor)
    selinux: SELinux = field(default_factory=SELinux)
    now_ns: Callable[[], int] = field(default=time.time_ns)
