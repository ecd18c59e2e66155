"""Sorting by fields of the payload, and the pages of a sorted listing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store.filters import parse_path
from embedding_studio.vector_store.sql import Parameters

__all__ = ["SortKey", "after", "key_values", "order_by", "parse_sort"]

MAX_KEYS = 8


@dataclass(frozen=True, slots=True)
class SortKey:
    """A field to sort by; items that lack it, or have null there, come last in both directions.

    Of a long value, the first 350 characters count: a cursor carries the values of an item.
    """

    path: tuple[str, ...]
    descending: bool = False


def parse_sort(keys: object, place: str = "sort") -> tuple[SortKey, ...]:
    """Read a sort order as it came in a request.

    Raises:
        InvalidError: Names the place of the first thing that is wrong.
    """
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise InvalidError.at(place, f"must be a list of at most {MAX_KEYS} fields")
    return tuple(_key(key, f"{place}[{i}]") for i, key in enumerate(keys))


def _key(key: object, place: str) -> SortKey:
    if not isinstance(key, dict) or "field" not in key:
        raise InvalidError.at(place, "must be an object with `field` and `order`")
    for name in key:
        if name not in {"field", "order"}:
            raise InvalidError.at(f"{place}.{name}", "is unknown; there are: field, order")
    order = key.get("order", "asc")
    if order not in ("asc", "desc"):
        raise InvalidError.at(f"{place}.order", "must be asc or desc")
    return SortKey(parse_path(key["field"], f"{place}.field"), descending=order == "desc")


def order_by(
    keys: Sequence[SortKey],
    parameters: Parameters,
    *,
    payload: str = "i.payload",
    distance: str = "b.distance",
    item_id: str = "b.item_id",
) -> str:
    """What follows ORDER BY: each key in its direction, then the nearest, then the id."""
    sorted_by = [f"{_value(key, parameters, payload)} {'DESC' if key.descending else 'ASC'} NULLS LAST" for key in keys]
    return ", ".join([*sorted_by, distance, f'{item_id} COLLATE "C"'])


def key_values(keys: Sequence[SortKey], parameters: Parameters, *, payload: str = "i.payload") -> str:
    """A jsonb array of a row's values of the keys, null where the field is lacking, as `after` takes them."""
    return f"jsonb_build_array({', '.join(_value(key, parameters, payload) for key in keys)})"


def after(
    keys: Sequence[SortKey],
    last: tuple[Sequence[Any], float, str],
    parameters: Parameters,
    *,
    payload: str = "i.payload",
    distance: str = "b.distance",
    item_id: str = "b.item_id",
) -> str:
    """The predicate of the rows strictly behind the last one of a page, given by its key values, distance and id.

    Raises:
        InvalidError: There are not as many values as keys.
    """
    values, last_distance, last_id = last
    if len(values) != len(keys):
        raise InvalidError.at("cursor", "belongs to another sort order")
    behind = (
        f'({distance}, {item_id} COLLATE "C") >'
        f" ({parameters.bind(last_distance)}::float8, {parameters.bind(last_id)}::text)"
    )
    for key, value in reversed(list(zip(keys, values, strict=True))):
        behind = _behind(key, value, behind, parameters, payload)
    return f"({behind})"


def _behind(key: SortKey, last: Any, rest: str, parameters: Parameters, payload: str) -> str:
    """Further than the last value, or equal to it and behind by the rest of the order."""
    value = _value(key, parameters, payload)
    if last is None:
        return f"{value} IS NULL AND ({rest})"
    bound = f"{parameters.bind(last)}::jsonb"
    return f"{value} IS NULL OR {value} {'<' if key.descending else '>'} {bound} OR ({value} = {bound} AND ({rest}))"


def _value(key: SortKey, parameters: Parameters, payload: str) -> str:
    return f"payload_order({payload} #> {parameters.bind(list(key.path))}::text[])"
