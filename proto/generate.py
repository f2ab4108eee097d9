"""Make `NAME.binpb` and `NAME.pyi` from each `NAME.proto` of this folder.

Keeps true: what is committed is what the sources make (`--check` compares, and is part of `make check`).
Reads `*.proto`; writes the two files beside each, which `proto.loading` reads and type checkers read.
Needs grpcio-tools, a development dependency.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

from proto.loading import shape, snake_case

_HERE = Path(__file__).parent
_WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
_SERVICE_IMPORTS = "import collections.abc as _abc\nimport grpc as _grpc\nimport grpc.aio as _aio\n"
_UNLINTED = "# ruff: noqa: RUF100, A002, E501, I001, N801, N803, N815, RUF012, RUF023, UP007, UP045\n# fmt: off\n"
_BARE_MAPPING = re.compile(r"\b_Mapping\]")  # protoc leaves it without arguments, which a strict type check refuses.


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with --check compare them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m proto.generate", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a committed file is out of date")
    if parser.parse_args(arguments).check:
        stale = [path for path, content in _generated() if not path.exists() or path.read_bytes() != content]
        for path in stale:
            found = f"is not what {path.stem}.proto makes" if path.exists() else "is missing"
            print(f"proto/{path.name}: {found}; run python -m proto.generate", file=sys.stderr)
        return 1 if stale else 0
    for path, content in _generated():
        path.write_bytes(content)
    return 0


def _generated() -> Iterator[tuple[Path, bytes]]:
    """Yield (where it belongs, what belongs there) for each generated file."""
    for source in sorted(_HERE.glob("*.proto")):
        with tempfile.TemporaryDirectory() as folder:
            yield from _compile(source, Path(folder))


def _compile(source: Path, folder: Path) -> list[tuple[Path, bytes]]:
    binpb = folder / "set.binpb"
    exit_code = protoc.main(
        [
            "protoc",
            f"-I{source.parent}",
            f"-I{_WELL_KNOWN}",
            "--include_imports",
            f"--descriptor_set_out={binpb}",
            f"--pyi_out={folder}",
            source.name,
        ]
    )
    if exit_code != 0:
        raise SystemExit(f"proto/{source.name}: protoc refused it with exit code {exit_code}; its words are above")
    descriptors = binpb.read_bytes()
    messages = _BARE_MAPPING.sub("_Mapping[str, object]]", (folder / f"{source.stem}_pb2.pyi").read_text())
    header = f"# Made by `python -m proto.generate` from {source.name}.\n{_UNLINTED}"
    stub = header + _SERVICE_IMPORTS + messages + "".join(_service_types(descriptors))
    return [(source.with_suffix(".binpb"), descriptors), (source.with_suffix(".pyi"), stub.encode())]


def _service_types(descriptors: bytes) -> Iterator[str]:
    pool = DescriptorPool()
    files = FileDescriptorSet.FromString(descriptors).file
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    for service in pool.FindFileByName(files[-1].name).services_by_name.values():
        yield from _stub_types(service)
        yield from _servicer_types(service)


def _stub_types(service: ServiceDescriptor) -> Iterator[str]:
    yield f"\nclass {service.name}Stub:\n"
    yield "    def __init__(self, channel: _aio.Channel) -> None: ...\n"
    for method in service.methods:
        kind = "".join(word.title() for word in shape(method).split("_"))
        yield f"    {snake_case(method.name)}: _aio.{kind}MultiCallable[{_messages(method)}]\n"


def _servicer_types(service: ServiceDescriptor) -> Iterator[str]:
    yield f"\nclass {service.name}Servicer:\n"
    for method in service.methods:
        request, answer = method.input_type.name, method.output_type.name
        if method.client_streaming:
            request = f"_abc.AsyncIterator[{request}]"
        define = "async def"
        if method.server_streaming:
            define, answer = "def", f"_abc.AsyncIterator[{answer}]"
        context = f"_aio.ServicerContext[{_messages(method)}]"
        signature = f"(self, request: {request}, context: {context}) -> {answer}"
        yield f"    {define} {snake_case(method.name)}{signature}: ...\n"
    handler = f"{snake_case(service.name)}_handler"
    yield f"\ndef {handler}(servicer: {service.name}Servicer) -> _grpc.GenericRpcHandler: ...\n"


def _messages(method: MethodDescriptor) -> str:
    return f"{method.input_type.name}, {method.output_type.name}"


if __name__ == "__main__":
    sys.exit(main())
