"""Which ids of the node a pod's user namespace has. Plain functions.

Source: CRI v1 UserNamespace; KEP-127.
"""

from collections.abc import Sequence

from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri


def mapped(uids: Sequence[cri.IDMapping], gids: Sequence[cri.IDMapping]) -> dict[str, int]:
    """Return the node's first `uid` and `gid` and how many there are (`length`), or nothing where nothing is mapped."""
    if not uids or not gids:
        return {}
    return {"uid": uids[0].host_id, "gid": gids[0].host_id, "length": uids[0].length}


def check(options: cri.NamespaceOption, where: str) -> None:
    """Refuse a user namespace that can't be made."""
    wanted = options.userns_options
    if not options.HasField("userns_options") or wanted.mode == cri.NODE:
        if wanted.uids or wanted.gids:
            raise invalid(where, "ids are mapped without a user namespace of the pod; set its mode to POD")
        return
    if wanted.mode != cri.POD:
        raise invalid(where, f"user namespace of mode {cri.NamespaceMode.Name(wanted.mode)}; use POD or NODE")
    for name, mappings in (("uids", wanted.uids), ("gids", wanted.gids)):
        if len(mappings) != 1 or mappings[0].container_id != 0 or not mappings[0].length:
            raise invalid(where, f"user namespace: {name} need one mapping, that of container id 0; give one")
    if wanted.uids[0].length != wanted.gids[0].length:
        raise invalid(where, "user namespace: as many uids as gids must be mapped; make the lengths equal")
    shared = [name for name in ("network", "pid", "ipc") if getattr(options, name) == cri.NODE]
    if shared:
        raise invalid(where, f"user namespace: the pod shares the node's {', '.join(shared)}; use hostUsers: true")
