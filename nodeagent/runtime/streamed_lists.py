"""The lists of the RuntimeService once more, as streams: in pieces, so that no message outgrows gRPC's limit.

Keeps true: a stream tells what the list tells, and ends. Source: CRI v1 StreamPodSandboxes and its like (KEP-5825).
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, TypeVar

import grpc

from proto import cri_v1 as cri

PIECE_ITEMS = 200
_Item = TypeVar("_Item")
_Context = grpc.aio.ServicerContext[Any, Any]


def pieces(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Yield `items` in order, PIECE_ITEMS at once."""
    for start in range(0, len(items), PIECE_ITEMS):
        yield items[start : start + PIECE_ITEMS]


class StreamedLists(cri.RuntimeServiceServicer):
    """What a RuntimeService that answers lists streams."""

    async def stream_pod_sandboxes(
        self, request: cri.StreamPodSandboxesRequest, context: _Context
    ) -> AsyncIterator[cri.StreamPodSandboxesResponse]:
        """Stream sandboxes."""
        listed = await self.list_pod_sandbox(cri.ListPodSandboxRequest(filter=request.filter), context)
        for piece in pieces(listed.items):
            yield cri.StreamPodSandboxesResponse(pod_sandboxes=piece)

    async def stream_containers(
        self, request: cri.StreamContainersRequest, context: _Context
    ) -> AsyncIterator[cri.StreamContainersResponse]:
        """Stream containers."""
        listed = await self.list_containers(cri.ListContainersRequest(filter=request.filter), context)
        for piece in pieces(listed.containers):
            yield cri.StreamContainersResponse(containers=piece)

    async def stream_container_stats(
        self, request: cri.StreamContainerStatsRequest, context: _Context
    ) -> AsyncIterator[cri.StreamContainerStatsResponse]:
        """Stream the figures of containers."""
        listed = await self.list_container_stats(cri.ListContainerStatsRequest(filter=request.filter), context)
        for piece in pieces(listed.stats):
            yield cri.StreamContainerStatsResponse(container_stats=piece)

    async def stream_pod_sandbox_stats(
        self, request: cri.StreamPodSandboxStatsRequest, context: _Context
    ) -> AsyncIterator[cri.StreamPodSandboxStatsResponse]:
        """Stream the figures of pods."""
        listed = await self.list_pod_sandbox_stats(cri.ListPodSandboxStatsRequest(filter=request.filter), context)
        for piece in pieces(listed.stats):
            yield cri.StreamPodSandboxStatsResponse(pod_sandbox_stats=piece)

    async def stream_pod_sandbox_metrics(
        self, _: cri.StreamPodSandboxMetricsRequest, context: _Context
    ) -> AsyncIterator[cri.StreamPodSandboxMetricsResponse]:
        """Stream the metrics of pods."""
        listed = await self.list_pod_sandbox_metrics(cri.ListPodSandboxMetricsRequest(), context)
        for piece in pieces(listed.pod_metrics):
            yield cri.StreamPodSandboxMetricsResponse(pod_sandbox_metrics=piece)
