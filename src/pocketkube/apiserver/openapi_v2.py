"""OpenAPI v2 (`/openapi/v2`): the definitions of the kinds served and their paths, as JSON or as gnostic's protobuf.

kubectl reads it when the v3 documents do not know a kind (a typo, a missing CRD, a v1 List) and checks the object
against the definitions; for a kind it does not find there it goes on to say `no matches for kind`. Its patcher asks
the paths which patches a kind takes. Models what k8s.io/kube-openapi's handler serves at this path. All of it is said
in v3 first, and then in v2's words; openapi_wire.py has the form of bytes.
"""

from __future__ import annotations

from typing import Final

from pocketkube.objects import Obj

PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_ACCEPTED: Final = (PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
_V3: Final = "#/components/schemas/"
_V2: Final = "#/definitions/"
_PARAMETERS: Final = "#/parameters/"


def wants_protobuf(accept: str) -> bool:
    """Whether the first acceptable form in an Accept header is the protobuf one (what kubectl asks for)."""
    return accept.split(",")[0].split(";")[0].strip() in _ACCEPTED


def document(schemas: Obj, paths: Obj) -> Obj:
    """The Swagger 2.0 document of v3 component schemas and paths."""
    parameters: Obj = {}
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.2"},
        "paths": {path: _item(item, parameters) for path, item in sorted(paths.items())},
        "definitions": {name: _schema(schema) for name, schema in sorted(schemas.items())},
        "parameters": dict(sorted(parameters.items())),
    }


def _item(item: Obj, shared: Obj) -> Obj:
    """A path with its operations. Parameters go to `shared`, where the document has each once."""
    return {
        key: [_parameter(one, shared) for one in value] if key == "parameters" else _operation(value, shared)
        for key, value in item.items()
    }


def _parameter(given: Obj, shared: Obj) -> Obj:
    name = given["name"] if given["in"] == "query" else f"{given['name']}-{given['in']}"
    if name not in shared:
        shared[name] = {key: value for key, value in given.items() if key != "schema"} | given["schema"]
    return {"$ref": f"{_PARAMETERS}{name}"}


def _operation(given: Obj, shared: Obj) -> Obj:
    body = given.get("requestBody")
    parameters = [_parameter(one, shared) for one in given.get("parameters", ())]
    if body:
        schema = _schema(next(iter(body["content"].values()))["schema"])
        required = {"required": True} if body.get("required") else {}
        parameters.insert(0, {"name": "body", "in": "body", **required, "schema": schema})
    return {
        **{key: value for key, value in given.items() if key not in ("requestBody", "parameters", "responses")},
        "consumes": [*body["content"]] if body else ["*/*"],
        "produces": [*given["responses"]["200"]["content"]],
        "schemes": ["https"],
        **({"parameters": parameters} if parameters else {}),
        "responses": {code: _response(one) for code, one in given["responses"].items()},
    }


def _response(given: Obj) -> Obj:
    described = {"description": given["description"]}
    if content := given.get("content"):
        described["schema"] = _schema(next(iter(content.values()))["schema"])
    return described


def _schema(schema: Obj) -> Obj:
    """A v3 schema in v2's words: a single allOf is a plain reference, a choice of scalars is a string."""
    result: Obj = {}
    for key, value in schema.items():
        if key == "$ref":
            result[key] = value.replace(_V3, _V2)
        elif key == "allOf" and len(value) == 1:
            result |= _schema(value[0])
        elif key in ("oneOf", "anyOf"):
            result["type"] = "string"
        elif key == "properties":
            result[key] = {name: _schema(inner) for name, inner in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            result[key] = _schema(value)
        else:
            result[key] = value
    return result
