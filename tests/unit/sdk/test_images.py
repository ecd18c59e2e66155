"""Images of an item, and their pixels."""

import base64
import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk.images import ImageFields, ImagePreprocessing, ImageRef

RED, GREEN, BLUE, WHITE = (250, 0, 0), (0, 250, 0), (0, 0, 250), (255, 255, 255)
decode = ImagePreprocessing(size=8).build()


def file(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def halves(width: int = 64, height: int = 64) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


def near(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixels.astype(int) - colour).max() <= 6)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_formats_that_are_allowed_are_read(form: str) -> None:
    pixels = decode(file(halves(), form))
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert near(pixels[:, :3], RED)
    assert near(pixels[:, 5:], BLUE)


@pytest.mark.parametrize("form", ["ICO", "PPM", "TGA", "PCX", "PDF", "AVIF"])
def test_other_formats_are_refused(form: str) -> None:
    with pytest.raises(InvalidError, match="none of JPEG"):
        decode(file(halves(), form))


@pytest.mark.parametrize(
    ("image", "form", "colour"),
    [
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (halves().crop((0, 0, 9, 9)).convert("P", palette=Image.Palette.ADAPTIVE), "PNG", RED),
        (Image.new("LA", (9, 9), (100, 255)), "PNG", (100, 100, 100)),
        (Image.new("L", (9, 9), 100), "JPEG", (100, 100, 100)),
        (Image.new("1", (9, 9), 1), "PNG", WHITE),
        (Image.new("I;16", (9, 9), 100 * 257), "PNG", (100, 100, 100)),
        (Image.new("I;16", (9, 9), 100 * 257), "TIFF", (100, 100, 100)),
        (Image.new("YCbCr", (9, 9), (76, 85, 255)), "JPEG", (254, 0, 0)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_every_mode_becomes_rgb(image: Image.Image, form: str, colour: tuple[int, int, int]) -> None:
    assert near(decode(file(image, form)), colour)


def test_pixels_of_32_bits_are_refused() -> None:
    with pytest.raises(InvalidError, match="32 bits"):
        decode(file(Image.new("F", (9, 9)), "TIFF"))


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (9, 9), (*RED, 0)),
        Image.new("LA", (9, 9), (0, 0)),
        Image.new("RGBA", (9, 9), (0, 0, 0, 0)).convert("P"),
    ],
    ids=["RGBA", "LA", "P"],
)
def test_what_is_transparent_becomes_white(image: Image.Image) -> None:
    options: dict[str, Any] = {"transparency": 0} if image.mode == "P" else {}
    assert near(decode(file(image, **options)), WHITE)


def test_a_half_transparent_colour_is_mixed_with_white() -> None:
    assert near(decode(file(Image.new("RGBA", (9, 9), (0, 0, 0, 128)))), (127, 127, 127))


@pytest.mark.parametrize(("orientation", "top"), [(1, None), (6, RED), (8, BLUE)])
def test_a_photograph_stands_upright(orientation: int, top: tuple[int, int, int] | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(file(halves(), "JPEG", exif=exif))
    assert near(pixels[:3], top) if top else near(pixels[:, :3], RED)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_counts(form: str) -> None:
    frames = [Image.new("RGB", (9, 9), GREEN), Image.new("RGB", (9, 9), RED)]
    assert near(decode(file(Image.new("RGB", (9, 9), BLUE), form, save_all=True, append_images=frames)), BLUE)


@pytest.mark.parametrize(("width", "height"), [(300, 100), (100, 300), (101, 100), (1, 1)])
def test_the_middle_is_kept(width: int, height: int) -> None:
    image = Image.new("RGB", (width, height), GREEN)
    side = min(width, height)
    image.paste(RED, ((width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2))
    pixels = decode(file(image))
    assert pixels.shape == (8, 8, 3)
    assert near(pixels[3:5, 3:5], RED)


@pytest.mark.parametrize(("width", "height"), [(1, 50_000), (50_000, 1), (9, 40_000)])
def test_a_stripe_is_never_stretched_to_a_giant(width: int, height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resize = Image.Image.resize
    sizes: list[tuple[int, int]] = []

    def watched(image: Image.Image, size: tuple[int, int], *how: Any) -> Image.Image:
        sizes.append(size)
        return resize(image, size, *how)

    monkeypatch.setattr(Image.Image, "resize", watched)
    assert near(decode(file(Image.new("RGB", (width, height), RED))), RED)
    assert max(width * height for width, height in sizes) <= 4 * 8 * 8


@pytest.mark.parametrize(("width", "height"), [(64, 32), (32, 64), (1, 5_000), (5_000, 1)])
def test_without_a_crop_all_is_kept_on_white(width: int, height: int) -> None:
    pixels = ImagePreprocessing(size=8, crop="none").build()(file(Image.new("RGB", (width, height), RED)))
    assert pixels.shape == (8, 8, 3)
    lying = pixels if width > height else pixels.swapaxes(0, 1)
    assert near(lying[0], WHITE)
    assert near(lying[3], RED)
    assert near(lying[-1], WHITE)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_truncated_file_is_refused(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole = file(Image.fromarray(noise), form)
    for share in (0.2, 0.6, 0.9):
        with pytest.raises(InvalidError, match=r"cannot be read|none of JPEG"):
            decode(whole[: int(len(whole) * share)])


def png_of(width: int, height: int) -> bytes:
    """A valid header of these dimensions before pixels that are not there."""

    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(10_000, 5_001), (12_000, 12_000), (100_000, 100_000), (2**31 - 1, 1)])
def test_a_pixel_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(InvalidError, match=r"pixels"):
        decode(png_of(width, height))


def test_a_decompression_bomb_in_the_text_of_a_png_is_refused() -> None:
    bomb = zlib.compress(b"a" * 100_000_000)
    body = b"zTXtkey\0\0" + bomb
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    whole = file(halves())
    with pytest.raises(InvalidError, match="cannot be read"):
        decode(whole[:33] + chunk + whole[33:])


def test_the_limits_are_the_plugins() -> None:
    small = ImagePreprocessing(size=8, max_pixels=100, max_bytes=2_000).build()
    assert small(file(Image.new("RGB", (10, 10)))).shape == (8, 8, 3)
    with pytest.raises(InvalidError, match="11 x 10 pixels"):
        small(file(Image.new("RGB", (11, 10))))
    with pytest.raises(InvalidError, match="2001 bytes"):
        small(bytes(2_001))


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"not an image", b"\xff\xd8\xff", png_of(0, 0)])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidError):
        decode(data)


@given(
    data=st.data(),
    form=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
)
def test_a_damaged_file_is_read_or_refused(data: st.DataObject, form: str) -> None:
    damaged = bytearray(file(halves(16, 16), form))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    with suppress(InvalidError):
        assert decode(bytes(damaged)).shape == (8, 8, 3)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="crop"):
        ImagePreprocessing(crop="left")  # type: ignore[arg-type]  # what a plugin without types may say
    with pytest.raises(ValueError, match="size"):
        ImagePreprocessing(size=0)
    with pytest.raises(TypeError, match="fields"):
        ImageFields("image")
    with pytest.raises(ValueError, match="most_images"):
        ImageFields(most_images=0)
    wrongs: list[dict[str, Any]] = [
        {},
        {"data": b"a", "source": {}, "loader": "s3"},
        {"source": {}},
        {"data": b"a", "loader": "s3"},
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="either"):
            ImageRef(**wrong)


IN_BASE64 = base64.b64encode(b"pixels").decode()


@pytest.mark.parametrize(
    ("payload", "source", "images"),
    [
        ({"image": IN_BASE64}, None, [ImageRef(b"pixels")]),
        ({"image": f" {IN_BASE64[:4]}\n{IN_BASE64[4:]}\n"}, None, [ImageRef(b"pixels")]),
        ({"image": f"data:image/png;base64,{IN_BASE64}"}, {}, [ImageRef(b"pixels")]),
        (
            {"images": [IN_BASE64, None, {"key": "b.png"}]},
            None,
            [ImageRef(b"pixels"), ImageRef(None, {"key": "b.png"}, "s3")],
        ),
        ({"image": "", "title": IN_BASE64}, {"key": "a.png"}, [ImageRef(None, {"key": "a.png"}, "s3")]),
        ({}, None, []),
    ],
)
def test_images_come_from_fields_and_from_the_source(
    payload: dict[str, Any], source: dict[str, Any] | None, images: list[ImageRef]
) -> None:
    assert ImageFields(loader="s3").build()(payload, source) == images


def test_without_a_loader_the_source_is_not_looked_at() -> None:
    assert ImageFields().build()({"image": IN_BASE64}, {"key": "a.png"}) == [ImageRef(b"pixels")]


@pytest.mark.parametrize("value", [5, True, {"key": "a.png"}, ["?"], "?", "YQ", "Ünïcode", [[IN_BASE64]]])
def test_a_field_that_holds_something_else_is_named(value: Any) -> None:
    with pytest.raises(InvalidError, match="picture"):
        ImageFields(("picture",)).build()({"picture": value}, None)


def test_an_item_beyond_the_limits_is_refused() -> None:
    with pytest.raises(InvalidError, match="more than 2 images"):
        ImageFields(most_images=2).build()({"images": [IN_BASE64] * 3}, None)
    with pytest.raises(InvalidError, match="5 bytes"):
        ImageFields(max_bytes=5).build()({"image": base64.b64encode(bytes(9)).decode()}, None)
