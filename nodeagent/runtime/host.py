"""What the parts of the runtime share: settings, cgroups, images, network, zygote, events, the time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from nodeagent.runtime.cgroups import Cgroups
from nodeagent.runtime.events import Events
from nodeagent.runtime.images.store import ImageStore
from nodeagent.runtime.sandbox_network import Network
from nodeagent.runtime.settings import RuntimeSettings
from nodeagent.runtime.shim_client import Zygote


@dataclass(frozen=True)
class Host:
    """The machine as one runtime sees it; made once by `server`."""

    settings: RuntimeSettings
    cgroups: Cgroups
    images: ImageStore
    network: Network
    zygote: Zygote
    events: Events
    now_ns: Callable[[], int] = field(default=time.time_ns)
