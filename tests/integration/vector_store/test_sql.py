"""PostgreSQL and a plain Python reading of the filter language agree on random trees over random payloads."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store import parse_filter
from embedding_studio.vector_store.sql import Parameters, condition, where
from studio import Studio

pytestmark = pytest.mark.anyio

TIMES = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T01:00:00+01:00",
    "2026-06-01t12:30:00.25z",
    "2026-01-01T00:00:00.000000999Z",
    "0001-01-01T00:00:00Z",
]
NO_TIMES = ["not a time", "now", "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00Z\n", "infinity"]
STEMS = {
    "oak": "oak",
    "Oaks": "oak",
    "table": "tabl",
    "TABLES": "tabl",
    "running": "run",
    "runs": "run",
    "café": "café",
    "the": None,
    "of": None,
}
LONG = "x" * 70
texts = st.lists(st.sampled_from(list(STEMS)), max_size=4).map(" ".join)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, 0.1, 1.0, -0.0, 1e300, 2**53]),
    st.sampled_from(
        ["", "a", "1", "true", 'quote"\\', "é", "oak/tables", "<b>oak</b>", LONG, LONG[:64], *TIMES, *NO_TIMES]
    ),
    texts,
)
fields = st.sampled_from(["a", "b", "a.b", "a.0", "a.+0", "b. 1", "a.-1.b", "b.a.b", "missing", "a'"])
payloads = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "0", "+0"]), inner, max_size=2)
        ),
        max_leaves=5,
    ),
)
bounds = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 0.1, -0.0, 1e300, 1e-300]), st.sampled_from(TIMES))
lists = st.one_of(
    st.lists(scalars, max_size=3),
    st.lists(scalars, min_size=17, max_size=20),
    st.lists(scalars.filter(lambda one: isinstance(one, str)), min_size=17, max_size=20),
    st.lists(st.integers(-3, 30), min_size=17, max_size=20),
)
operations = st.one_of(
    st.tuples(st.sampled_from(["eq", "ne"]), scalars),
    st.tuples(st.sampled_from(["in", "any", "all"]), lists),
    st.tuples(st.just("exists"), st.booleans()),
    st.tuples(st.sampled_from(["gt", "gte", "lt", "lte"]), bounds),
    st.tuples(st.sampled_from(["match", "phrase"]), texts),
    st.tuples(st.just("prefix"), st.sampled_from(["", "a", "o", "oak", "T", "20", 'quote"', LONG[:66], LONG + "x"])),
)
leaves = st.builds(lambda field, operation: {"field": field, operation[0]: operation[1]}, fields, operations)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda members: {"and": members}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda members: {"or": members}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda member: {"not": member}, inner),
    ),
    max_leaves=6,
)

MISSING = object()
POSITION = re.compile(r"\s*[+-]?\d+")


def value_at(payload: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(payload, dict) and name in payload:
            payload = payload[name]
        elif (
            isinstance(payload, list)
            and re.fullmatch(r"\s*[+-]?\d+", name)
            and -len(payload) <= int(name) < len(payload)
        ):
            payload = payload[int(name)]
        else:
            return MISSING
    return payload


def same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def as_time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value.upper()) if value in TIMES else None


def members(value: Any) -> list[Any]:
    if value is MISSING:
        return []
    return value if isinstance(value, list) else [value]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def stems(text: str) -> list[tuple[int, str]]:
    words = re.sub(r"</?b>", "", text).replace("/", " ").split()
    return [(place, stem) for place, word in enumerate(words) if (stem := STEMS.get(word, f"={word}")) is not None]


def matches(value: Any, query: str) -> bool:
    asked = {stem for _, stem in stems(query)}
    return bool(asked) and asked <= {stem for text in strings(value) for _, stem in stems(text)}


def has_phrase(text: str, query: str) -> bool:
    asked, there = stems(query), stems(text)
    return any({(place - asked[0][0] + start, stem) for place, stem in asked} <= set(there) for start, _ in there)


def compare(value: Any, operator: str, bound: Any) -> bool:
    if isinstance(bound, str):
        moment, limit = as_time(value), as_time(bound)
        return moment is not None and limit is not None and compare_ordered(moment, operator, limit)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and compare_ordered(value, operator, bound)


def compare_ordered(left: Any, operator: str, right: Any) -> bool:
    return bool({"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[operator])


def holds(tree: dict[str, Any], payload: dict[str, Any]) -> bool:
    if "field" not in tree:
        ((operator, operand),) = tree.items()
        if operator == "not":
            return not holds(operand, payload)
        return bool({"and": all, "or": any}[operator](holds(one, payload) for one in operand))
    value = value_at(payload, tree["field"])
    ((operator, operand),) = ((name, operand) for name, operand in tree.items() if name != "field")
    negated = operator == "ne" or (operator == "exists" and not operand)
    return leaf_holds(value, {"ne": "eq"}.get(operator, operator), operand) != negated


def leaf_holds(value: Any, operator: str, operand: Any) -> bool:
    match operator:
        case "exists":
            return value is not MISSING and value is not None
        case "eq":
            return same(value, operand)
        case "in":
            return any(same(value, one) for one in operand)
        case "any":
            return any(same(member, one) for member in members(value) for one in operand)
        case "all":
            there = leaf_holds(value, "exists", True)
            return all(any(same(member, one) for member in members(value)) for one in operand) if operand else there
        case "match":
            return matches(value, operand)
        case "phrase":
            return bool(stems(operand)) and any(has_phrase(text, operand) for text in strings(value))
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case _:
            return compare(value, operator, operand)


@given(tree=trees, rows=st.lists(payloads, min_size=1, max_size=8))
@hypothesis_settings(max_examples=300)
async def test_the_database_reads_filters_as_python_does(
    studio: Studio, tree: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    parameters = Parameters()
    exact = condition(parse_filter(tree), parameters)
    indexed = where(parse_filter(tree), parameters)
    payload = parameters.bind(rows)
    found = await studio.container.pool.fetch(
        f"SELECT {exact} AS exact, {indexed} IS TRUE AS indexed"
        f" FROM unnest({payload}::jsonb[]) WITH ORDINALITY AS i (payload, n) ORDER BY n",
        *parameters.values,
    )
    expected = [holds(tree, row) for row in rows]
    assert [row["exact"] for row in found] == expected
    assert [row["indexed"] for row in found] == expected


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(TIMES)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)
OPERATORS = ["eq", "ne", "in", "any", "all", "exists", "gt", "gte", "lt", "lte", "match", "phrase", "prefix"]


@given(field=st.text(max_size=8), operator=st.sampled_from(OPERATORS), operand=anything, payload=payloads)
@hypothesis_settings(max_examples=300)
async def test_what_is_not_refused_is_answered(
    studio: Studio, field: str, operator: str, operand: Any, payload: dict[str, Any]
) -> None:
    try:
        tree = parse_filter({"field": field, operator: operand})
    except InvalidError:
        return
    parameters = Parameters()
    row = f"(VALUES ({parameters.bind(payload)}::jsonb)) i (payload)"
    select = f"SELECT {condition(tree, parameters)}, {where(tree, parameters)} IS TRUE FROM {row}"
    exact, indexed = (await studio.container.pool.fetch(select, *parameters.values))[0]
    assert exact == indexed


@pytest.mark.parametrize(
    ("language", "found"),
    [("english", ["haus", "run", "running"]), ("german", ["haus", "häuser", "run"]), ("simple", ["haus", "run"])],
)
async def test_words_are_read_in_the_language_of_the_collection(
    studio: Studio, language: str, found: list[str]
) -> None:
    parameters = Parameters()
    tree = {"or": [{"field": "t", "match": "Run"}, {"field": "t", "phrase": "Haus"}]}
    holding = where(parse_filter(tree), parameters, language=language)
    rows = parameters.bind([{"t": text} for text in ("haus", "häuser", "run", "running")])
    select = f"SELECT payload->>'t' FROM unnest({rows}::jsonb[]) i (payload) WHERE {holding} ORDER BY payload"
    assert [row[0] for row in await studio.container.pool.fetch(select, *parameters.values)] == found


async def test_a_text_too_long_for_a_tsvector_is_read_in_part(studio: Studio) -> None:
    parameters = Parameters()
    holding = [
        where(parse_filter({"field": "a", "match": word}), parameters, language="english") for word in ("w7", "w400000")
    ]
    text = " ".join(f"w{n}" for n in range(400_001))
    rows = parameters.bind([{"a": [text]}])
    select = f"SELECT {holding[0]}, {holding[1]} FROM unnest({rows}::jsonb[]) i (payload)"
    assert tuple((await studio.container.pool.fetch(select, *parameters.values))[0]) == (True, False)
