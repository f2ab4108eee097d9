"""Turn a serialised FileDescriptorSet into message classes, client stubs and server handlers.

Keeps true: each loaded file has a descriptor pool of its own, so that two copies of a message never clash and no
generated code has to agree with the installed protobuf version. Reads the `.binpb` beside this module; writes nothing.
What a loaded module holds is written down for type checkers in the `.pyi` of the same name (see `proto.generate`):
for each message and enum its own name, and for each service S

* `SStub(channel)`: one grpc.aio multi-callable per method, named in snake case;
* `SServicer`: a class whose methods, named in snake case, refuse with UNIMPLEMENTED until a subclass has them;
* `s_handler(servicer)`, with S in snake case: what `grpc.aio.Server.add_generic_rpc_handlers` takes.

Source: protobuf's descriptor.proto; grpc's generic handler interface.
"""

from __future__ import annotations  # grpc's classes take no parameters at run time, only in their stubs.

import re
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass

_HERE = Path(__file__).parent
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """Return a CamelCase name in snake case: `RunPodSandbox` is `run_pod_sandbox`, `KV` is `kv`."""
    return _WORD_START.sub("_", name).lower()


def load(binpb: str) -> dict[str, Any]:
    """Return the names that a module of the file `binpb` (beside this one) holds, for its globals().

    Only the last file of the set gives names; the files before it are what it imports.
    """
    pool = DescriptorPool()
    files = FileDescriptorSet.FromString((_HERE / binpb).read_bytes()).file
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return _names(pool.FindFileByName(files[-1].name))


def _names(file: FileDescriptor) -> dict[str, Any]:
    names: dict[str, Any] = {"DESCRIPTOR": file}
    for name, message in file.message_types_by_name.items():
        names[name] = GetMessageClass(message)
    for name, enum in file.enum_types_by_name.items():
        names[name] = EnumTypeWrapper(enum)
        names.update({value.name: value.number for value in enum.values})
    for service in file.services_by_name.values():
        names.update(_service_names(service))
    return names


def _service_names(service: ServiceDescriptor) -> dict[str, Any]:
    stub, servicer = f"{service.name}Stub", f"{service.name}Servicer"
    refusals = {snake_case(method.name): _refusal(method) for method in service.methods}

    def connect(self: object, channel: grpc.aio.Channel) -> None:
        for method in service.methods:
            setattr(self, snake_case(method.name), _multi_callable(channel, method))

    def handler(servicer: object) -> grpc.GenericRpcHandler:
        handlers = {method.name: _method_handler(servicer, method) for method in service.methods}
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    return {
        stub: type(stub, (), {"__init__": connect, "__doc__": f"Client of {service.full_name}."}),
        servicer: type(servicer, (), {**refusals, "__doc__": f"Server of {service.full_name}."}),
        f"{snake_case(service.name)}_handler": handler,
    }


def shape(method: MethodDescriptor) -> str:
    """Return grpc's word for how a method streams: `unary_unary`, `unary_stream`, `stream_unary`, `stream_stream`."""
    words = ["stream" if streams else "unary" for streams in (method.client_streaming, method.server_streaming)]
    return "_".join(words)


def path(method: MethodDescriptor) -> str:
    """Return the HTTP/2 path of a method: `/etcdserverpb.KV/Range`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _multi_callable(channel: grpc.aio.Channel, method: MethodDescriptor) -> Any:
    connect = getattr(channel, shape(method))
    return connect(
        path(method),
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )


def _method_handler(servicer: object, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
    make = getattr(grpc, f"{shape(method)}_rpc_method_handler")
    made: grpc.RpcMethodHandler[Any, Any] = make(
        getattr(servicer, snake_case(method.name)),
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )
    return made


def _refusal(method: MethodDescriptor) -> Any:
    """Return the method that a servicer has before a subclass brings its own; a coroutine serves all four shapes."""

    async def refuse(self: object, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:  # noqa: ARG001
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method.full_name}: this server does not implement it")

    return refuse
