"""Pods of about 5 kB, and what is done to them: labels and statuses changed, changes watched."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp

from bench._server import Cost, Subject

PODS: Final = "/api/v1/namespaces/default/pods"
PAD: Final = "x" * 60
HEARD_TIMEOUT_S: Final = 120


def pod(name: str, *, is_alone: bool = False) -> dict[str, Any]:
    """Return a pod. is_alone: no other one has the same spec, as if each had a template of its own."""
    container = {
        "image": "registry.example.org/team/web:1.2.3",
        "env": [{"name": f"SETTING_{index}", "value": PAD} for index in range(8)],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
    }
    if is_alone:
        container["args"] = [name]
    meta = {
        "name": name,
        "labels": {"app": "web", "tier": "front"},
        "annotations": {f"example.org/note-{index}": PAD for index in range(10)},
    }
    spec = {
        "automountServiceAccountToken": False,
        "containers": [{"name": f"main-{index}", **container} for index in range(2)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


async def make_account(subject: Subject) -> None:
    """Create the service account that pods need."""
    account = json.dumps({"metadata": {"name": "default"}}).encode()
    await subject.send("POST", "/api/v1/namespaces/default/serviceaccounts", account)


def creation(subject: Subject, first: int, count: int, *, are_alone: bool = False) -> Callable[[int], Awaitable[bytes]]:
    """Return what creates pods with consecutive numbers, for each number below `count`; their bodies are made now."""
    numbers = range(first, first + count)
    bodies = [
        json.dumps(pod(f"pod-{number}", is_alone=are_alone), separators=(",", ":")).encode() for number in numbers
    ]
    return lambda number: subject.send("POST", PODS, bodies[number])


async def create(subject: Subject, first: int, count: int) -> Cost:
    """Create pods with consecutive numbers."""
    return await subject.measure(range(count), creation(subject, first, count))


async def relabel(subject: Subject, number: int, value: str) -> None:
    """Change a label of a pod."""
    patch = json.dumps({"metadata": {"labels": {"turn": f"{value}{number}"}}}).encode()
    await subject.send("PATCH", f"{PODS}/pod-{number}", patch, "application/merge-patch+json")


async def patch_status(subject: Subject, number: int, turn: int) -> None:
    """Patch a pod's status as a node agent does."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "message": f"{turn}"}
    status = {"phase": "Running", "podIP": "10.244.0.7", "conditions": [condition]}
    body = json.dumps({"status": status}).encode()
    await subject.send("PATCH", f"{PODS}/pod-{number}/status", body, "application/strategic-merge-patch+json")


async def watch_cost(subject: Subject, watchers: int, events: int) -> float:
    """Return the CPU per event and watcher, in µs, beyond that of the writes themselves."""
    path = f"{subject.url}{PODS}?watch=1&labelSelector=app%3Dweb&resourceVersion="
    alone = await subject.measure(range(events), lambda number: relabel(subject, number, "a"))
    version = json.loads(await subject.send("GET", f"{PODS}?limit=1"))["metadata"]["resourceVersion"]
    heard = 0
    all_heard = asyncio.Event()
    connector = aiohttp.TCPConnector(ssl=subject.tls, limit=0)
    session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))

    async def listen(ready: asyncio.Semaphore) -> None:
        nonlocal heard
        async with session.get(path + version) as answer:
            ready.release()
            async for chunk in answer.content.iter_any():
                heard += chunk.count(b'{"type":')
                if heard >= watchers * events:
                    all_heard.set()

    ready = asyncio.Semaphore(0)
    async with session, asyncio.TaskGroup() as group:
        tasks = [group.create_task(listen(ready)) for _ in range(watchers)]
        for _ in range(watchers):
            await ready.acquire()
        before = subject.cpu_s()
        for number in range(events):
            await relabel(subject, number, "b")
        async with asyncio.timeout(HEARD_TIMEOUT_S):
            await all_heard.wait()
        spent = subject.cpu_s() - before
        for task in tasks:
            task.cancel()
    return (spent * 1e6 - alone.cpu_us * events) / (watchers * events)
