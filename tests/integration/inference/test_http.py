"""Requests about models that cannot be meant."""

from collections.abc import AsyncIterator

import pytest

from refusals import HUGE, refused
from studio import Studio

pytestmark = pytest.mark.anyio

NAME = "bad-models"
URL = f"/api/v1/collections/{NAME}"


@pytest.fixture(scope="module", autouse=True)
async def _collection(studio: Studio) -> AsyncIterator[None]:
    await studio.create(NAME)
    yield
    await studio.client.delete(URL)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"texts": [], "kind": "query"}, "texts"),
        ({"texts": ["a"] * 257, "kind": "query"}, "texts"),
        ({"texts": ["x" * 100_001], "kind": "query"}, "texts[0]"),
        ({"texts": ["a", "\0"], "kind": "query"}, "texts[1]"),
        ({"texts": ["a"]}, "kind"),
        ({"texts": ["a"], "kind": "question"}, "kind"),
        ({"texts": ["a"], "kind": "query", "model_version": 0}, "model_version"),
        ({"texts": ["a"], "kind": "query", "model_version": HUGE}, "model_version"),
    ],
)
async def test_texts_to_embed(studio: Studio, body: object, field: str) -> None:
    await refused(studio, "POST", f"{URL}/embed", body, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"forse": True}, "forse"),
        ({"force": "yes"}, "force"),
        ({"force": True, "note": "x" * 2001}, "note"),
        ({"force": True, "note": "a\0"}, "note"),
    ],
)
async def test_a_deployment(studio: Studio, body: object, field: str) -> None:
    await refused(studio, "POST", f"{URL}/models/1/deploy", body, field)


@pytest.mark.parametrize("version", ["0", "-1", "2", str(2**40), str(HUGE), "one", "1.5"])
async def test_a_model_version_that_is_none(studio: Studio, version: str) -> None:
    await refused(studio, "POST", f"{URL}/models/{version}/deploy", {}, None, status=404)


async def test_a_body_that_may_be_left_out(studio: Studio) -> None:
    answer = await studio.client.post(f"{URL}/models/1/deploy")
    assert answer.status_code == 202
