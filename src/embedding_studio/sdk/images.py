"""Parts that find an item's images and make pixels of them."""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from embedding_studio.kernel.errors import InvalidError

__all__ = ["Crop", "DecodeImage", "ImageFields", "ImagePreprocessing", "ImageRef", "ImagesOf"]


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where one image of an item comes from: either `data`, or `source` with `loader`.

    Attributes:
        data: The image file itself.
        source: What the loader fetches.
        loader: Name of the plugin's loader that fetches it.
    """

    data: bytes | None = None
    source: Mapping[str, Any] | None = None
    loader: str | None = None

    def __post_init__(self) -> None:
        """Refuse an image from nowhere, and one from two places."""
        if (self.data is None) == (self.source is None) or (self.source is None) != (self.loader is None):
            raise ValueError("an image has either data, or a source with the loader that fetches it")


ImagesOf = Callable[[Mapping[str, Any], Mapping[str, Any] | None], list[ImageRef]]
"""From payload and source of an item to its images, which may be none."""

DecodeImage = Callable[[bytes], NDArray[np.uint8]]
"""From an image file to RGB pixels (size, size, 3); raises InvalidError with the reason."""

Crop = Literal["center", "none"]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_WHITE = (255, 255, 255)
_MOST_STRETCHED = 4


@dataclass(frozen=True, slots=True)
class ImageFields:
    """The images in the named fields, then the one that the item's source points to.

    Attributes:
        fields: Top-level fields, each with one image or a list. A string is the file in base64, also as a data URL; a
            record is a source for `loader`. None, an empty string and a field that is missing are no image.
        loader: Name of the plugin's loader for records and for the item's source; None if there is none, and then the
            item's source is not looked at.
        most_images: An item with more is refused.
        max_bytes: Of a file in base64, decoded; an item with a larger one is refused.
    """

    fields: Sequence[str] = ("image", "images")
    loader: str | None = None
    most_images: int = 8
    max_bytes: int = 20_000_000

    def __post_init__(self) -> None:
        """Refuse a single string, which would be read as a list of letters, and limits below 1."""
        if isinstance(self.fields, str):
            raise TypeError("fields must be a sequence of names, not one string")
        _check_limits(most_images=self.most_images, max_bytes=self.max_bytes)

    def build(self) -> ImagesOf:
        """A function from payload and source to images; it raises InvalidError where a field holds something else."""
        return self._images_of

    def _images_of(self, payload: Mapping[str, Any], source: Mapping[str, Any] | None) -> list[ImageRef]:
        images = list(islice(self._all(payload, source), self.most_images + 1))
        if len(images) > self.most_images:
            raise InvalidError(f"the item has more than {self.most_images} images")
        return images

    def _all(self, payload: Mapping[str, Any], source: Mapping[str, Any] | None) -> Iterator[ImageRef]:
        for field in self.fields:
            value = payload.get(field)
            for member in value if isinstance(value, list) else [value]:
                if member not in (None, ""):
                    yield self._image(field, member)
        if source and self.loader:
            yield ImageRef(source=source, loader=self.loader)

    def _image(self, field: str, value: Any) -> ImageRef:
        if isinstance(value, str):
            return ImageRef(data=self._decoded(field, value))
        if isinstance(value, Mapping) and self.loader:
            return ImageRef(source=value, loader=self.loader)
        raise InvalidError.at(field, f"an image is given in base64 or for a loader, not as {type(value).__name__}")

    def _decoded(self, field: str, text: str) -> bytes:
        encoded = "".join((text.partition(",")[2] if text.startswith("data:") else text).split())
        if len(encoded) // 4 * 3 > self.max_bytes:
            raise InvalidError.at(field, f"an image may have {self.max_bytes} bytes")
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidError.at(field, f"is no base64: {error}") from error


@dataclass(frozen=True, slots=True)
class ImagePreprocessing:
    """From an image file to the square that the encoder sees, upright and in RGB.

    JPEG, PNG, WebP, GIF, BMP and TIFF are read. Of an animation the first frame counts; what is transparent becomes
    white.

    Attributes:
        size: Side of the square in pixels, as the encoder wants it.
        crop: `center` scales the shorter side to `size` and cuts the longer one; `none` keeps all and fills with white.
        max_pixels: Of the image by its header, looked at before anything is decoded.
        max_bytes: Of the file.
    """

    size: int = 224
    crop: Crop = "center"
    max_pixels: int = 50_000_000
    max_bytes: int = 20_000_000

    def __post_init__(self) -> None:
        """Refuse a crop that there is not, and limits below 1."""
        if self.crop not in get_args(Crop):
            raise ValueError(f"crop must be one of {', '.join(get_args(Crop))}, not {self.crop!r}")
        _check_limits(size=self.size, max_pixels=self.max_pixels, max_bytes=self.max_bytes)

    def build(self) -> DecodeImage:
        """A function from file to pixels."""
        return self._decode

    def _decode(self, data: bytes) -> NDArray[np.uint8]:
        if len(data) > self.max_bytes:
            raise InvalidError(f"the image has {len(data)} bytes; at most {self.max_bytes} are read")
        try:
            with Image.open(BytesIO(data), formats=_FORMATS) as image:
                self._check_pixels(image)
                square = self._square(_rgb(ImageOps.exif_transpose(image)))
        except InvalidError:
            raise
        except UnidentifiedImageError as error:
            raise InvalidError(f"the image is none of {', '.join(_FORMATS)}, or its header is broken") from error
        except Exception as error:  # the edge: hostile files make Pillow raise almost anything
            raise InvalidError(f"the image cannot be read: {type(error).__name__}: {error}") from error
        return np.array(square, np.uint8)

    def _check_pixels(self, image: Image.Image) -> None:
        if image.width * image.height > self.max_pixels:
            raise InvalidError(
                f"the image has {image.width} x {image.height} pixels; at most {self.max_pixels} are read"
            )

    def _square(self, image: Image.Image) -> Image.Image:
        return self._filled(image) if self.crop == "none" else self._cut(image)

    def _cut(self, image: Image.Image) -> Image.Image:
        shorter = min(image.size)
        image = _middle(image, *(min(side, _MOST_STRETCHED * shorter) for side in image.size))
        return _middle(self._scaled(image, shorter), self.size, self.size)

    def _filled(self, image: Image.Image) -> Image.Image:
        image = self._scaled(image, max(image.size))
        square = Image.new("RGB", (self.size, self.size), _WHITE)
        square.paste(image, ((self.size - image.width) // 2, (self.size - image.height) // 2))
        return square

    def _scaled(self, image: Image.Image, side: int) -> Image.Image:
        """Scaled so that `side` pixels become `size`."""
        width, height = (max(1, length * self.size // side) for length in image.size)
        return image.resize((width, height), Image.Resampling.BICUBIC)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise InvalidError("the image has 32 bits a pixel and channel; at most 16 are read")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), colours).convert("RGB")
    return image.convert("RGB")


def _middle(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _check_limits(**limits: int) -> None:
    for name, limit in limits.items():
        if limit < 1:
            raise ValueError(f"{name} must be above 0, not {limit}")
