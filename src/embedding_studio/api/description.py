"""What the OpenAPI document says: types as they are read and written, and every refusal as a problem document."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.spec import OpenAPI
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.typing import FieldDefinition

from embedding_studio.access import LOCKED, NEEDS, Needs
from embedding_studio.api.problems import PROBLEM_TYPE, Problem
from embedding_studio.vector_store import TREE_SCHEMAS

__all__ = ["ApiDescription"]

_REFERENCE = "#/components/schemas/{name}"
_ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_OF_BODIES = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_CHANGING = frozenset({"POST", "PUT", "DELETE"})


class ApiDescription(ReceiveRoutePlugin):
    """Adds to each endpoint the problems that it may answer with, and describes its types by msgspec's own word.

    Litestar's description of a type leaves out that unknown fields are refused, and what holds for members of lists.
    """

    def __init__(self) -> None:
        self._handlers: list[HTTPRouteHandler] = []
        self.open_paths: set[str] = set()
        self.optional_bodies: set[tuple[str, str]] = set()

    def receive_route(self, route: BaseRoute) -> None:
        """Note the endpoints of a route."""
        if isinstance(route, HTTPRoute):
            for handler, _ in route.route_handler_map.values():
                if handler.resolve_include_in_schema():
                    handler.responses = {**_problems(route, handler), **(handler.responses or {})}
                    self._handlers.append(handler)
                    if _is_open(handler):
                        self.open_paths.add(route.path_format)
                    if _may_lack_body(handler):
                        self.optional_bodies |= {(route.path_format, method.lower()) for method in handler.http_methods}

    def config(self, **options: Any) -> OpenAPIConfig:
        """What Litestar makes the document by; the options are its own."""
        return _Config(self, **options)

    def components(self) -> dict[str, Any]:
        """The schemas of all types that requests and answers have."""
        kinds = {id(kind): kind for handler in self._handlers for kind in _kinds(handler)}
        _, components = msgspec.json.schema_components(kinds.values(), ref_template=_REFERENCE)
        portable = msgspec.json.encode(components).replace(rb'\\Z"', b'$"')  # \Z is Python's word for the very end
        return {**msgspec.json.decode(portable), **TREE_SCHEMAS}


class _Config(OpenAPIConfig):
    def __init__(self, description: ApiDescription, **options: Any) -> None:
        super().__init__(**options)
        self._description = description

    def to_openapi_schema(self) -> OpenAPI:
        return _Document(self._description, **vars(super().to_openapi_schema()))


class _Document(OpenAPI):
    def __init__(self, description: ApiDescription, **fields: Any) -> None:
        super().__init__(**fields)
        self._description = description

    def to_schema(self) -> dict[str, Any]:
        document = super().to_schema()
        document["components"]["schemas"] = self._description.components()
        for path in self._description.open_paths:
            for operation in document["paths"][path].values():
                operation["security"] = []
        for path, method in self._description.optional_bodies:
            document["paths"][path][method]["requestBody"]["required"] = False
        for parameter in _parameters(document):
            if parameter["schema"].get("format") == "uri":  # Litestar's word for the rest of an address
                parameter["schema"] = {"type": "string"}
        return document


def _parameters(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation.get("parameters", ())


def _is_open(handler: HTTPRouteHandler) -> bool:
    needs: Needs = handler.opt.get(NEEDS, LOCKED)
    return needs.role is None


def _may_lack_body(handler: HTTPRouteHandler) -> bool:
    data = handler.parsed_fn_signature.parameters.get("data")
    return data is not None and data.has_default


def _problems(route: HTTPRoute, handler: HTTPRouteHandler) -> Mapping[int, ResponseSpec]:
    """By status, the problems that an endpoint may answer with."""
    if _is_open(handler):
        return {}
    return {
        status.value: ResponseSpec(Problem, generate_examples=False, description=status.phrase, media_type=PROBLEM_TYPE)
        for status in _statuses(route, handler)
    }


def _statuses(route: HTTPRoute, handler: HTTPRouteHandler) -> Iterator[HTTPStatus]:
    yield from _ALWAYS
    if route.path_parameters or "collection" in handler.parsed_fn_signature.parameters:
        yield HTTPStatus.NOT_FOUND
    if handler.http_methods & _CHANGING:
        yield HTTPStatus.CONFLICT
    if "data" in handler.parsed_fn_signature.parameters:
        yield from _OF_BODIES


def _kinds(handler: HTTPRouteHandler) -> Iterator[Any]:
    """The types of what a handler takes and gives."""
    signature = handler.parsed_fn_signature
    yield from _members(signature.return_type)
    if "data" in signature.parameters:
        yield from _members(signature.parameters["data"])
    for answer in (handler.responses or {}).values():
        yield answer.data_container


def _members(field: FieldDefinition) -> Iterator[Any]:
    """The type, or those that it is one of: msgspec describes no unions of types that it cannot tell apart."""
    if field.is_subclass_of(Response) or field.is_union:
        for inner in field.inner_types:
            yield from _members(inner)
    else:
        yield field.annotation
