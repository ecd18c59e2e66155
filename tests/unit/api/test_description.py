"""The OpenAPI document says what is so; that the answers are as it says, tests/e2e/test_openapi.py asks of a server."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from embedding_studio.api import create_app
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.mongo import MongoSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.settings import Settings

Json = dict[str, Any]
COLLECTION = "/api/v1/collections/{name}"


@pytest.fixture(scope="module")
def document() -> Json:
    nowhere = Settings(
        postgres=PostgresSettings(dsn=SecretStr("postgresql://127.0.0.1")),
        mongo=MongoSettings(url=SecretStr("mongodb://127.0.0.1")),
        redis=RedisSettings(url=SecretStr("redis://127.0.0.1")),
    )
    return create_app(nowhere).openapi_schema.to_schema()


def members(value: Any) -> Iterator[Json]:
    """All objects within."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from members(inner)


def answers(document: Json, path: str, method: str) -> Json:
    return dict(document["paths"][path][method]["responses"])


def test_every_type_that_is_named_is_there(document: Json) -> None:
    named = {one["$ref"] for one in members(document) if "$ref" in one}
    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert named == there
    assert not any("." in name or "_" in name for name in document["components"]["schemas"])


def test_patterns_are_those_of_json_schema(document: Json) -> None:
    patterns = [one["pattern"] for one in members(document["components"]) if isinstance(one.get("pattern"), str)]
    assert patterns
    assert not any(r"\Z" in pattern or r"\A" in pattern for pattern in patterns)


def test_what_is_refused_is_said(document: Json) -> None:
    search = document["components"]["schemas"]["SearchIn"]
    assert search["additionalProperties"] is False
    assert search["properties"]["facets"]["items"]["minLength"] == 1
    assert "additionalProperties" not in document["components"]["schemas"]["SearchView"]


def test_a_filter_is_described_to_its_leaves(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert {"$ref": "#/components/schemas/Filter", "type": "object"} in schemas["SearchIn"]["properties"]["filter"][
        "anyOf"
    ]
    leaf = schemas["Filter"]["anyOf"][0]
    assert {"field", "eq", "ne", "in", "any", "all", "exists", "match", "phrase", "prefix", "gt"} <= set(
        leaf["properties"]
    )


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        (COLLECTION, "get", {"200", "400", "403", "404", "503"}),
        (f"{COLLECTION}/search", "post", {"200", "400", "403", "404", "409", "413", "415", "503"}),
        (f"{COLLECTION}/items", "post", {"200", "202", "400", "403", "404", "409", "413", "415", "503"}),
        (f"{COLLECTION}/sessions", "post", {"200", "201", "400", "403", "404", "409", "413", "415", "503"}),
        ("/health/ready", "get", {"200", "503"}),
    ],
)
def test_every_answer_has_its_status(document: Json, path: str, method: str, statuses: set[str]) -> None:
    assert set(answers(document, path, method)) >= statuses


def test_every_refusal_is_a_problem(document: Json) -> None:
    for path, operations in document["paths"].items():
        for method in operations if path.startswith("/api/") else ():
            for status, answer in answers(document, path, method).items():
                kinds = set(answer.get("content", {}))
                assert kinds <= ({"application/problem+json"} if int(status) >= 400 else {"application/json"})


def test_a_body_that_may_be_left_out(document: Json) -> None:
    assert document["paths"][f"{COLLECTION}/models/{{version}}/deploy"]["post"]["requestBody"]["required"] is False
    assert document["paths"][f"{COLLECTION}/search"]["post"]["requestBody"]["required"] is True


def test_routes_that_need_no_key_say_so(document: Json) -> None:
    assert document["security"]
    assert document["paths"]["/health/live"]["get"]["security"] == []
    assert "security" not in document["paths"][COLLECTION]["get"]


def test_metrics_are_text(document: Json) -> None:
    assert set(answers(document, "/metrics", "get")["200"]["content"]) == {"text/plain"}


def test_work_takes_an_idempotency_key(document: Json) -> None:
    parameters = document["paths"][f"{COLLECTION}/items"]["post"]["parameters"]
    assert {("Idempotency-Key", "header")} <= {(one["name"], one["in"]) for one in parameters}
