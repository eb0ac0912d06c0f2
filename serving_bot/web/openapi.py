"""The HTTP API as an OpenAPI 3.1 document and as a page."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

from serving_bot.web.tensors import MOST_IMAGES

_ERRORS = {
    "400": "The body is invalid.",
    "401": "The bearer token is missing or wrong.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The content type is not supported.",
    "422": "The picture cannot be read.",
    "429": "Too many requests; try again in a minute.",
    "503": "No model has been pushed yet.",
}
_ERRORS_OF_TENSORS = ("400", "401", "408", "413", "429", "503")
_PICTURES = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
_FILE = {"type": "string", "format": "binary"}
_OBJECT = {"type": "object"}
_LEVEL = {"type": "integer", "minimum": 0, "maximum": 255}
_IMAGE = {  # (also 28×28×1, or {"b64": ...}, see serving_bot/web/tensors.py)
    "type": "array",
    "minItems": 28,
    "maxItems": 28,
    "items": {"type": "array", "minItems": 28, "maxItems": 28, "items": _LEVEL},
}
_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape", "data"],
    "properties": {
        "name": {"const": "images"},
        "datatype": {"const": "UINT8"},
        "shape": {"const": [1, 28, 28, 1], "description": "[N, 28, 28, 1]"},
        "data": {"type": "array", "minItems": 784, "maxItems": 784, "items": _LEVEL},
    },
}


def describe(token: bool) -> dict[str, Any]:
    """The document; `token` says whether a bearer token is required."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Digits",
            "version": "1",
            "description": "Reads handwritten digits with the last pushed model.",
        },
        "paths": {
            "/read": {
                "post": _operation(
                    "Read a picture",
                    {kind: {"schema": _FILE} for kind in _PICTURES}
                    | {"multipart/form-data": _object_of("picture", _FILE)},
                    ("400", "401", "408", "413", "415", "422", "429", "503"),
                    [
                        _flag("images", "Add what the network saw, as PNG data addresses."),
                        _flag("why", "Add how much each part of a digit's image matters."),
                    ],
                )
            },
            "/v1/models/digits": {"get": _operation("The served version, in TensorFlow Serving's format")},
            "/v1/models/digits:predict": {
                "post": _operation(
                    "Classify 28×28 images, in TensorFlow Serving's format",
                    {"application/json": _object_of("instances", _list_of(_IMAGE, MOST_IMAGES))},
                    _ERRORS_OF_TENSORS,
                )
            },
            "/v2": {"get": _operation("The server, in the Open Inference Protocol's format")},
            "/v2/health/live": {"get": _operation("Whether the server runs")},
            "/v2/health/ready": {"get": _operation("Whether a model is served", errors=("503",))},
            "/v2/models/digits": {"get": _operation("The model's inputs and outputs", errors=("503",))},
            "/v2/models/digits/ready": {"get": _operation("Whether the model is served", errors=("503",))},
            "/v2/models/digits/infer": {
                "post": _operation(
                    "Classify 28×28 images, in the Open Inference Protocol's format",
                    {"application/json": _object_of("inputs", _list_of(_TENSOR, 1))},
                    _ERRORS_OF_TENSORS,
                )
            },
            "/model": {"get": _operation("The served version's card", errors=("503",))},
            "/healthz": {"get": _operation("Whether pictures are answered", errors=("503",))},
        },
    }
    if token:
        document["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        document["security"] = [{"token": []}]
    return document


def _operation(
    summary: str,
    body: dict[str, Any] | None = None,
    errors: tuple[str, ...] = (),
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": _OBJECT}}},
            **{
                code: {
                    "description": _ERRORS[code],
                    "content": {"application/json": {"schema": {**_OBJECT, "required": ["error"]}}},
                }
                for code in errors
            },
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _object_of(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A body's content: an object with one member."""
    return {"schema": {**_OBJECT, "required": [name], "properties": {name: schema}}}


def _list_of(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "maxItems": most, "items": items}


def _flag(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"enum": ["0", "1"]}}


_PAGE = Environment(autoescape=True).from_string("""\
<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Digits: HTTP API</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code{background:#8882;padding:.1rem .3rem}td,th{padding:.3rem .8rem;text-align:left;vertical-align:top}</style>
<h1>Digits: HTTP API</h1><p>Also available as <a href="openapi.json">an OpenAPI document</a>.</p>
<table><tr><th>request</th><th>does</th><th>takes</th><th>errors</th></tr>
{% for path, methods in paths.items() %}{% for method, one in methods.items() %}
<tr><td><code>{{ method|upper }} {{ path }}</code></td><td>{{ one.summary }}</td>
<td>{{ one.requestBody.content|join(", ") if one.requestBody else "" }}</td>
<td>{% for code in one.responses if code != "200" %}{{ code }} {% endfor %}</td></tr>
{% endfor %}{% endfor %}</table></html>
""")


def render(document: dict[str, Any]) -> str:
    """Renders the document as a page for people."""
    return _PAGE.render(paths=document["paths"])
