"""The reference of the gRPC services, made of the protos and their comments."""

import re
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

PROTOS: Final = Path(__file__).resolve().parent.parent / "protos"
SERVICE, MESSAGE, ENUM = 6, 4, 5
METHOD, FIELD, VALUE, NESTED_ENUM, NESTED = 2, 2, 2, 4, 3
"""Numbers of the fields of descriptors: comments are found by their path (descriptor.proto, SourceCodeInfo)."""

Comments = dict[tuple[int, ...], str]


def reference() -> str:
    """The page, as Markdown."""
    parts = ["# gRPC", "Made of the files in `protos/readstate/v1`."]
    for file in descriptors().file:
        if file.package == "readstate.v1":
            parts += describe(file)
    return "\n\n".join(parts) + "\n"


def descriptors() -> FileDescriptorSet:
    """What protoc knows of the protos, comments included.

    Raises:
        RuntimeError: protoc refused the files; it has said why on standard error.
    """
    with tempfile.NamedTemporaryFile(suffix=".binpb") as output:
        arguments = [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            "--include_source_info",
            f"--descriptor_set_out={output.name}",
            *(str(path) for path in sorted(PROTOS.glob("readstate/v1/*.proto"))),
        ]
        if protoc.main(arguments) != 0:
            raise RuntimeError("protoc failed")
        return FileDescriptorSet.FromString(Path(output.name).read_bytes())


def describe(file: FileDescriptorProto) -> list[str]:
    comments = {tuple(place.path): text(place.leading_comments) for place in file.source_code_info.location}
    parts = []
    for index, service in enumerate(file.service):
        parts += of_service(service, comments, (SERVICE, index))
    for index, message in enumerate(file.message_type):
        parts += of_message(message, message.name, comments, (MESSAGE, index))
    for index, enum in enumerate(file.enum_type):
        parts += of_enum(enum, enum.name, comments, (ENUM, index))
    return parts


def of_service(service: ServiceDescriptorProto, comments: Comments, path: tuple[int, ...]) -> list[str]:
    parts = [f"## {service.name}", comments.get(path, "")]
    for index, method in enumerate(service.method):
        given = ("stream " if method.client_streaming else "") + link(method.input_type)
        answered = ("stream " if method.server_streaming else "") + link(method.output_type)
        parts += [
            f"### {service.name}/{method.name}",
            f"{given} → {answered}",
            comments.get((*path, METHOD, index), ""),
        ]
    return parts


def of_message(message: DescriptorProto, name: str, comments: Comments, path: tuple[int, ...]) -> list[str]:
    parts = [f"### {name}", comments.get(path, "")]
    if message.field:
        rows = [row(field, comments.get((*path, FIELD, index), "")) for index, field in enumerate(message.field)]
        parts.append("\n".join(["| field | type | meaning |", "|---|---|---|", *rows]))
    for index, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            parts += of_message(nested, f"{name}.{nested.name}", comments, (*path, NESTED, index))
    for index, enum in enumerate(message.enum_type):
        parts += of_enum(enum, f"{name}.{enum.name}", comments, (*path, NESTED_ENUM, index))
    return parts


def of_enum(enum: EnumDescriptorProto, name: str, comments: Comments, path: tuple[int, ...]) -> list[str]:
    values = [
        f"| `{value.name}` | {cell(comments.get((*path, VALUE, index), ''))} |"
        for index, value in enumerate(enum.value)
    ]
    return [f"### {name}", comments.get(path, ""), "\n".join(["| value | meaning |", "|---|---|", *values])]


def row(field: FieldDescriptorProto, comment: str) -> str:
    kind = link(field.type_name) if field.type_name else FieldDescriptorProto.Type.Name(field.type)[5:].lower()
    repeated = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
    optional = "optional " if field.proto3_optional else ""
    return f"| `{field.name}` | {repeated}{optional}{kind} | {cell(comment)} |"


def link(type_name: str) -> str:
    """A type of ours with a link to where the page describes it, any other with its full name."""
    ours = type_name.removeprefix(".readstate.v1.")
    if ours == type_name:
        return f"`{type_name.removeprefix('.')}`"
    return f"[{ours}](#{re.sub(r'[^a-z0-9]', '', ours.lower())})"


def text(comment: str) -> str:
    return "\n".join(line.removeprefix(" ") for line in comment.rstrip().splitlines())


def cell(comment: str) -> str:
    return " ".join(comment.split()).replace("|", "\\|")
