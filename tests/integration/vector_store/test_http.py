"""Requests about collections that cannot be meant."""

import pytest

from refusals import HUGE, Json, refused
from studio import Studio

pytestmark = pytest.mark.anyio


def collection(**fields: object) -> Json:
    return {"name": "bad-new", "plugin": "text", **fields}


def points(**options: object) -> Json:
    return collection(plugin="vectors", options=options)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (collection(colour=1), "colour"),
        (collection(name=5), "name"),
        (collection(name="Shop"), "name"),
        (collection(name="shop\n"), "name"),
        (collection(name="sh\0op"), "name"),
        (collection(name="x" * 64), "name"),
        ({"name": "bad-new"}, "plugin"),
        (collection(plugin="nope"), "plugin"),
        (collection(plugin="te\0xt"), "plugin"),
        (collection(metric="manhattan"), "metric"),
        (collection(options={"dimensions": 3}), "options.dimensions"),
        (collection(options=[]), "options"),
        (points(), "options.dimensions"),
        (points(dimensions=0), "options.dimensions"),
        (points(dimensions=4001), "options.dimensions"),
        (points(dimensions=3000, index={"storage": "vector"}), "options.index.storage"),
        (points(dimensions=3, index={"m": 1}), "options.index.m"),
        (points(dimensions=3, index={"m": 40}), "options.index.ef_construction"),
        (points(dimensions=3, index={"M": 40}), "options.index.M"),
        (points(dimensions=3, language="klingon"), "options.language"),
        (points(dimensions=3, language="english'; --"), "options.language"),
        (points(dimensions=3, mode="hybrid"), "options.mode"),
        (points(dimensions=3, fusion={"kind": "magic"}), "options.fusion.kind"),
        (points(dimensions=3, fusion={"kind": "weighted", "vector": 2}), "options.fusion.vector"),
        (points(dimensions=True), "options.dimensions"),
        (points(dimensions="3"), "options.dimensions"),
        (points(dimensions=HUGE), "options.dimensions"),
        (points(dimensions=3, lists=1), "options.lists"),
    ],
)
async def test_a_collection(studio: Studio, body: object, field: str) -> None:
    await refused(studio, "POST", "/api/v1/collections", body, field)
