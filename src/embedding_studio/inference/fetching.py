"""Brings encoders from the objects into the folder of exports, where they are served from."""

import asyncio
import shutil
from pathlib import Path

from embedding_studio.inference.errors import BrokenModelError
from embedding_studio.inference.shared import fetch_export
from embedding_studio.inference.trained import DESCRIPTION, fetch_trained, is_trained
from embedding_studio.infra.objects import Objects
from embedding_studio.kernel.errors import InvalidError, NotFoundError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.sharing import SharedWork
from embedding_studio.sdk import EncoderSource

__all__ = ["Fetcher"]


class Fetcher:
    """Of several requests for the same encoder, the first fetches it and all wait; who stops waiting stops nothing."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._under_way = SharedWork[EncoderSource, bool]()

    async def fetch(self, source: EncoderSource) -> bool:
        """Copy the encoder; False if it is not among the objects.

        The folder appears whole. That its files are those of its description is checked when they are loaded.

        Raises:
            BrokenModelError: What is stored is not what was registered.
            UnavailableError: The objects cannot be reached.
        """
        return await self._under_way.get(source, lambda: self._fetch(source))

    async def drop(self, source: EncoderSource) -> None:
        """Delete this machine's copy of an encoder that training made; there may be none."""
        if is_trained(source):
            await asyncio.to_thread(shutil.rmtree, self._folder / source.key, ignore_errors=True)

    async def _fetch(self, source: EncoderSource) -> bool:
        draft = self._folder / f".{source.key}.{new_id()}"
        await asyncio.to_thread(draft.mkdir, parents=True)
        fetch = fetch_trained if is_trained(source) else fetch_export
        try:
            await fetch(self._objects, source, draft)
            await asyncio.to_thread(_publish, draft, self._folder / source.key)
        except NotFoundError:
            return False
        except InvalidError as error:
            raise BrokenModelError(error.detail) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        return True


def _publish(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:
        if not (folder / DESCRIPTION).exists():  # else another process was faster
            raise
