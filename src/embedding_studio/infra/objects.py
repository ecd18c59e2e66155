"""Objects such as adapters, kept under a key: in a folder here, in S3 elsewhere."""

import asyncio
import os
import re
import shutil
from pathlib import Path

from embedding_studio.kernel.errors import InvalidError, NotFoundError
from embedding_studio.kernel.ids import new_id

__all__ = ["ObjectFolder"]

_KEY = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*(\.[a-z0-9]+)?", re.IGNORECASE)


class ObjectFolder:
    """Objects as files; a reader sees a whole object or none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, data: bytes) -> None:
        """Store `data` durably under `key`, replacing what was there at once."""
        await asyncio.to_thread(self._write, self._path(key), data)

    async def get(self, key: str) -> bytes:
        """The object's bytes.

        Raises:
            NotFoundError: No object has this key.
        """
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"no object {key!r}") from None

    async def keys(self, prefix: str) -> list[str]:
        """The keys of all objects under `prefix`, sorted."""
        return await asyncio.to_thread(self._keys, self._path(prefix))

    async def delete_folder(self, prefix: str) -> None:
        """Delete every object whose key lies under `prefix`; there may be none."""
        await asyncio.to_thread(shutil.rmtree, self._path(prefix), ignore_errors=True)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise InvalidError.at("key", "must be names of letters, digits, '-' and '_', joined by '/'")
        return self._folder / key

    def _keys(self, place: Path) -> list[str]:
        return sorted(
            path.relative_to(self._folder).as_posix()
            for path in place.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        )

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{new_id()}")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
