"""The HTTP annotations of the protos, and the routes of the gateway: the same wherever the bodies are the messages."""

from pathlib import Path
from typing import Any

import yaml
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

ROOT = Path(__file__).resolve().parents[2]
DESCRIPTION = yaml.safe_load((ROOT / "src" / "readstate" / "gateway" / "openapi.yaml").read_text())
GATEWAY_ALONE = ("/systemevent", "/v1/messaging/")
"""Routes whose bodies two products have fixed."""


def methods() -> dict[str, Any]:
    """The descriptor of every method, by its name."""
    pool = DescriptorPool()
    names = []
    for file in FileDescriptorSet.FromString((ROOT / "deploy" / "envoy" / "readstate.binpb").read_bytes()).file:
        pool.Add(file)
        names += [f"{file.package}.{service.name}" for service in file.service]
    return {method.name: method for name in names for method in pool.FindServiceByName(name).methods}


METHODS = methods()


def annotated() -> dict[tuple[str, str], str]:
    """Verb and path → the method that an annotation gives them."""
    found = {}
    for name, method in METHODS.items():
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        if verb := rule.WhichOneof("pattern"):
            assert rule.body == ("" if verb == "get" else "*"), name
            found[verb, getattr(rule, verb)] = name
    return found


def resolved(node: Any) -> Any:
    while "$ref" in node:
        found = DESCRIPTION
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def properties(content: Any) -> set[str]:
    """The fields of a body."""
    return set(resolved(content["content"]["application/json"]["schema"])["properties"])


def asked(operation: Any) -> set[str]:
    """What a request of the gateway says, in its query and in its body."""
    parameters = map(resolved, operation.get("parameters", []))
    query = {parameter["name"] for parameter in parameters if parameter["in"] != "header"}
    return query | (properties(resolved(operation["requestBody"])) if "requestBody" in operation else set())


def told(operation: Any) -> set[str] | None:
    """What the gateway's answer says; None where it is no JSON."""
    answer = resolved(operation["responses"]["200"])
    return properties(answer) if "application/json" in answer["content"] else None


def transcoding() -> dict[tuple[str, str], str]:
    """Verb and path → the method whose messages have exactly the fields of the gateway's bodies."""
    return {
        (verb, path): name
        for path, operations in DESCRIPTION["paths"].items()
        if not path.startswith(GATEWAY_ALONE)
        for verb, operation in operations.items()
        for name, method in METHODS.items()
        if asked(operation) == set(method.input_type.fields_by_name)
        and told(operation) == set(method.output_type.fields_by_name)
    }


def test_a_method_is_annotated_with_the_route_whose_bodies_are_its_messages() -> None:
    assert annotated() == transcoding()


def test_some_methods_are_annotated() -> None:
    assert set(annotated().values()) >= {"GetUnreadCount", "MarkAllRead", "UndoMarkAllRead"}
