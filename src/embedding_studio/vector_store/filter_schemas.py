"""Filters and sort orders as JSON Schema: what clients are told of trees that are read by hand."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from embedding_studio.vector_store.filters import MAX_PATH, MAX_TEXT, MAX_VALUES

__all__ = ["TREE_SCHEMAS", "FilterTree", "SortTree"]

FilterTree = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/Filter"})]
"""A filter as it comes, for `parse_filter`."""

SortTree = Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/SortKey"})]
"""A key to sort by as it comes, for `parse_sort`."""

_FILTER = {"$ref": "#/components/schemas/Filter"}
_PATH = {"type": "string", "minLength": 1, "maxLength": MAX_PATH, "pattern": r"^[^.\x00]+(\.[^.\x00]+)*$"}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_SCALARS = {"type": "array", "items": _SCALAR, "maxItems": MAX_VALUES}
_TEXT = {"type": "string", "maxLength": MAX_TEXT}
_BOUND = {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}
_OPERATORS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("eq", "ne"), _SCALAR),
    **dict.fromkeys(("in", "any", "all"), _SCALARS),
    **dict.fromkeys(("match", "phrase", "prefix"), _TEXT),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), _BOUND),
    "exists": {"type": "boolean"},
}


def _object(required: str, **properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}


_JOINED = {"type": "array", "items": _FILTER, "description": "One or more."}

TREE_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Filter": {
        "description": "A tree of conditions on the payload, at most 32 levels deep and of at most 1,000 conditions.",
        "anyOf": [
            {**_object("field", field=_PATH, **_OPERATORS), "minProperties": 2},
            _object("and", **{"and": _JOINED}),
            _object("or", **{"or": _JOINED}),
            _object("not", **{"not": _FILTER}),
        ],
    },
    "SortKey": _object("field", field=_PATH, order={"enum": ["asc", "desc"], "default": "asc"}),
}
"""What `FilterTree` and `SortTree` refer to, by name."""
