"""Speak to a cluster with `kr8s`, unmodified, and print as one JSON object what was seen.

In a process of its own, since this client keeps its connections for ever. Arguments: kubeconfig, a namespace of one's
own, the namespace in which the pod `talker` runs.
"""

import json
import socket
import sys
from typing import Any

import kr8s
from kr8s.objects import ConfigMap, Pod

kubeconfig, namespace, talkers = sys.argv[1:]
api = kr8s.api(kubeconfig=kubeconfig, namespace=namespace)


def page(name: str, **data: str) -> ConfigMap:
    """Return a ConfigMap that isn't written yet."""
    return ConfigMap({"metadata": {"name": name, "namespace": namespace}, "data": data}, api=api)


def refusal(name: str) -> tuple[int, str]:
    """Return how the server refuses to make a ConfigMap."""
    try:
        page(name).create()
    except kr8s.ServerError as error:
        status: Any = error.status
        return status["code"], status["reason"]
    raise AssertionError(f"{name} was created")


def is_missing() -> bool:
    """Say whether the client has an exception of its own for what isn't there."""
    try:
        ConfigMap.get("nosuch", namespace=namespace, api=api)
    except kr8s.NotFoundError:
        return True
    return False


def main() -> None:
    """Do everything once."""
    made = page("page", a="1")
    made.create()
    made.patch({"data": {"b": "2"}})
    made.patch([{"op": "remove", "path": "/data/a"}], type="json")
    made.label(tier="front")
    listed: Any = api.get("configmaps", label_selector="tier=front")
    seen: dict[str, Any] = {"data": [item.raw["data"] for item in listed]}
    seen["refusals"] = [refusal("page"), refusal("Not A Name"), is_missing()]
    made.delete()
    seen["is gone"] = not made.exists()
    pod = Pod.get("talker", namespace=talkers, api=api)
    pod.wait("condition=Ready", timeout=30)
    seen["log"] = list(pod.logs())
    seen["ran"] = pod.exec(["/bin/echo", "hello"]).stdout.decode()
    seen["failed"] = pod.exec(["/bin/sh", "-c", "exit 7"], check=False).returncode
    with pod.portforward(9000, local_port="auto") as port, socket.create_connection(("127.0.0.1", port), 30) as link:
        link.sendall(b"word word")
        seen["forwarded"] = link.recv(9).decode()
    sys.stdout.write(json.dumps(seen))


main()
