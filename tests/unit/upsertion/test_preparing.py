"""Items to what the encoder sees of them; what cannot be read fails alone, and briefly."""

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from embedding_studio.kernel.errors import NotFoundError
from embedding_studio.sdk import FieldsText, ImageFields, ImagePreprocessing, Loader, TextOf
from embedding_studio.tasks import FailedItem
from embedding_studio.upsertion.domain import NewItem, PreparedItem, StagedItem
from embedding_studio.upsertion.preparing import Preparer

pytestmark = pytest.mark.anyio

LOADER = "pictures"


class Pictures:
    """Content by name, as a loader fetches it."""

    def __init__(self, **content: bytes) -> None:
        self.content = content

    def read(self, cursor: object) -> Any:
        raise NotImplementedError

    async def fetch(self, source: Mapping[str, Any]) -> bytes:
        if source["name"] not in self.content:
            raise NotFoundError("no such picture")
        return self.content[source["name"]]


def preparer(
    text_of: TextOf | None = None, *, images: ImageFields | None = None, loaders: Mapping[str, Loader] | None = None
) -> Preparer:
    return Preparer(
        text_of=text_of,
        images_of=images.build() if images else None,
        decode=ImagePreprocessing(size=4).build(),
        loaders=loaders or {},
        aggregate="best",
    )


def staged(payload: dict[str, Any], **item: Any) -> StagedItem:
    return StagedItem(7, 0, NewItem("a", payload, **item))


async def prepare_one(preparer: Preparer, staged: StagedItem) -> PreparedItem | FailedItem:
    prepared, failed = await preparer.prepare([staged])
    assert len(prepared) + len(failed) == 1
    return prepared[0] if prepared else failed[0][1]


def png(color: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "PNG")
    return file.getvalue()


async def test_only_what_is_embedded_changes_the_hash() -> None:
    of_title = preparer(FieldsText(("title",)).build())
    before, after = [await prepare_one(of_title, staged({"title": "sofa", "price": price})) for price in (1, 2)]
    assert isinstance(before, PreparedItem)
    assert isinstance(after, PreparedItem)
    assert before.content_hash == after.content_hash
    assert [content.text for content in before.contents] == ["sofa"]


async def test_an_item_that_says_nothing_fails_and_one_with_a_vector_does_not() -> None:
    of_fields = preparer(FieldsText().build())
    nothing = FailedItem("a", "split", "the payload has nothing to embed")
    assert await prepare_one(of_fields, staged({"price": 1})) == nothing
    given = await prepare_one(of_fields, staged({"price": 1}, vector=[1.0]))
    assert isinstance(given, PreparedItem)
    assert [(one.text, one.vector) for one in given.contents] == [(None, [1.0])]


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("y" * 100_000), RecursionError()])
async def test_a_plugin_that_raises_fails_its_item_alone_and_briefly(error: Exception) -> None:
    def text_of(payload: Mapping[str, Any]) -> list[Any]:
        if payload:
            return FieldsText().build()(payload)
        raise error

    prepared, failed = await preparer(text_of).prepare([staged({}), staged({"title": "sofa"})])
    assert len(prepared) == 1
    ((_, failure),) = failed
    assert (failure.id, failure.stage) == ("a", "split")
    assert failure.reason.startswith(type(error).__name__)
    assert len(failure.reason) <= 500


async def test_several_images_come_from_the_payload_and_from_where_the_source_points() -> None:
    both = preparer(images=ImageFields(("picture",), loader=LOADER), loaders={LOADER: Pictures(blue=png("blue"))})
    red = base64.b64encode(png("red")).decode()
    prepared = await prepare_one(both, staged({"picture": red}, source={"name": "blue"}))
    assert isinstance(prepared, PreparedItem)
    colors = [content.image[0, 0].tolist() for content in prepared.contents if content.image is not None]
    assert colors == [[255, 0, 0], [0, 0, 255]]


Case = tuple[dict[str, Any], dict[str, Any] | None]


@pytest.mark.parametrize(
    ("payload", "source"),
    [
        ({"picture": base64.b64encode(b"no image").decode()}, None),
        ({"picture": base64.b64encode(png("red")[:40]).decode()}, None),
        ({}, {"name": "gone"}),
    ],
)
async def test_an_image_that_cannot_be_had_fails_its_item_at_the_loading(
    payload: dict[str, Any], source: dict[str, Any] | None
) -> None:
    both = preparer(images=ImageFields(("picture",), loader=LOADER), loaders={LOADER: Pictures()})
    failed = await prepare_one(both, staged(payload, source=source))
    assert isinstance(failed, FailedItem)
    assert failed.stage == "load"
