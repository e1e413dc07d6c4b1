"""The reference of the REST gateway, made of openapi.yaml."""

from pathlib import Path
from typing import Any, Final

import yaml

OPENAPI: Final = Path(__file__).resolve().parent.parent / "src" / "readstate" / "gateway" / "openapi.yaml"
METHODS: Final = ("get", "post", "put", "patch", "delete")
Node = dict[str, Any]


def reference() -> str:
    """The page, as Markdown."""
    api: Node = yaml.safe_load(OPENAPI.read_text())
    note = "Made of `openapi.yaml`, which every gateway serves at `/openapi.yaml`. Its `/docs` tries the calls out."
    parts = ["# REST", note, api["info"]["description"]]
    operations = [(verb, path, item[verb]) for path, item in api["paths"].items() for verb in METHODS if verb in item]
    for tag in api["tags"]:
        parts += [f"## {tag['name']}", tag.get("description", "")]
        for verb, path, operation in operations:
            if tag["name"] in operation["tags"]:
                parts += describe(api, verb, path, operation)
    parts.append("## Schemas")
    for name, schema in api["components"]["schemas"].items():
        parts += [f"### {name}", schema.get("description", ""), properties(schema)]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def describe(api: Node, verb: str, path: str, operation: Node) -> list[str]:
    parts = [f"### {operation['summary']}", f"`{verb.upper()} {path}`", operation.get("description", "")]
    parameters = [resolve(api, parameter) for parameter in operation.get("parameters", [])]
    if parameters:
        rows = [
            f"| `{each['name']}` | {each['in']} | {kind(each['schema'])} | {cell(each.get('description', ''))} |"
            for each in parameters
        ]
        parts.append("\n".join(["| parameter | in | type | meaning |", "|---|---|---|---|", *rows]))
    if "requestBody" in operation:
        parts.append(f"Body: {body(resolve(api, operation['requestBody']))}.")
    answers = [
        f"| {status} | {cell(answer.get('description', ''))} | {body(answer)} |"
        for status, answer in ((status, resolve(api, answer)) for status, answer in operation["responses"].items())
    ]
    return [*parts, "\n".join(["| status | meaning | body |", "|---|---|---|", *answers])]


def resolve(api: Node, node: Node) -> Node:
    """What `$ref` names, or the node itself."""
    while "$ref" in node:
        found: Any = api
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def body(message: Node) -> str:
    return ", ".join(kind(content["schema"]) for content in message.get("content", {}).values() if "schema" in content)


def kind(schema: Node) -> str:
    """A type in a few words; a named one with a link."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})" if "/schemas/" in schema["$ref"] else name
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(kind(each) for each in schema[several])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "items" in schema:
        return f"list of {kind(schema['items'])}"
    named = schema.get("type", "any")
    return " or ".join(named) if isinstance(named, list) else str(named)


def properties(schema: Node) -> str:
    if "properties" not in schema:
        return kind(schema)
    required = schema.get("required", ())
    rows = [
        f"| `{name}` | {kind(each)} | {'yes' if name in required else ''} | {cell(each.get('description', ''))} |"
        for name, each in schema["properties"].items()
    ]
    return "\n".join(["| field | type | required | meaning |", "|---|---|---|---|", *rows])


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
