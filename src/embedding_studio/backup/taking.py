"""Taking a backup of an installation that is in use.

The stores are not frozen together. They are read in the order of what refers to what: open tasks first, so that work
accepted before is done again where PostgreSQL did not have it yet; then PostgreSQL, as of one moment; then the other
documents, to which its rows refer; then the objects, to which those refer. Each is written before what refers to it.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from embedding_studio import __version__
from embedding_studio.backup.documents import Advance, collections_of, dump_collection
from embedding_studio.backup.manifest import FORMAT, BackedUp, Manifest, checksum, write_manifest
from embedding_studio.backup.postgres import dump_database
from embedding_studio.clickstream import Event, Session
from embedding_studio.experiments import Experiment
from embedding_studio.improvement import Unlearned
from embedding_studio.infra.documents import present_documents
from embedding_studio.infra.migrations import present_revision
from embedding_studio.infra.mongo import Database, MongoSettings, open_database
from embedding_studio.infra.objects import Objects, open_objects
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.infra.postgres import open_connection
from embedding_studio.kernel.errors import ConflictError, NotFoundError
from embedding_studio.kernel.time import now
from embedding_studio.progress import bars
from embedding_studio.settings import Settings
from embedding_studio.shadow import Shadow
from embedding_studio.tasks import IdempotencyKey, Task

__all__ = ["delete_objects", "keys_of", "patient", "take_backup"]

_PATIENCE = 120.0
_BEFORE_POSTGRES = tuple(one.Settings.name for one in (Task, IdempotencyKey, Unlearned))
_PREFIXES = ("exports", "models")
_EARLY = (Event.Settings.name, Session.Settings.name)
"""A session is written before its events: read after them, it is there."""


async def take_backup(settings: Settings, folder: Path, *, console: Console) -> Manifest:
    """Write a backup into a folder that is new or empty; readable by its owner alone.

    Args:
        settings: Where the servers and the objects are.
        folder: A backup that was cut off is left in it, without a manifest.
        console: Shows the progress.

    Raises:
        ConflictError: The folder is in use, or cannot be made; the database was not migrated; or it was migrated, or a
            collection, an experiment or a shadow came or went meanwhile, so that the parts would not fit together.
        UnavailableError: A server does not answer, or `pg_dump` is not there or failed.
    """
    try:
        await asyncio.to_thread(_prepare, folder)
    except OSError as error:
        raise ConflictError(f"{folder} cannot be made the backup's own: {error.strerror}") from None
    try:
        async with open_database(patient(settings.mongo), ()) as database, open_objects(settings.objects) as objects:
            with bars(console) as progress:
                return await _Taking(settings, database, objects, folder, progress).run()
    except OUTAGES as error:
        raise as_unavailable(error) from error


async def keys_of(objects: Objects) -> list[str]:
    """The keys of all objects."""
    return [key for prefix in _PREFIXES for key in await objects.keys(prefix)]


async def delete_objects(objects: Objects) -> None:
    """Delete all objects."""
    for prefix in _PREFIXES:
        await objects.delete_folder(prefix)


def patient(settings: MongoSettings) -> MongoSettings:
    """The same server, with time for large batches."""
    return settings.model_copy(update={"timeout": _PATIENCE})


class _Taking:
    def __init__(
        self, settings: Settings, database: Database, objects: Objects, folder: Path, progress: Progress
    ) -> None:
        self._settings = settings
        self._database = database
        self._objects = objects
        self._folder = folder
        self._progress = progress

    async def run(self) -> Manifest:
        began, schema, before = now(), await self._schema(), await self._layout()
        names = await collections_of(self._database)
        open_work = await self._documents([name for name in names if name in _BEFORE_POSTGRES])
        bar = self._progress.add_task("PostgreSQL", total=1)
        server = await dump_database(self._settings.postgres, self._folder / "postgres.dump")
        self._progress.advance(bar)
        rest = sorted(set(names) - set(_BEFORE_POSTGRES) - set(_EARLY))
        documents = await self._documents([*(name for name in _EARLY if name in names), *rest])
        objects = await self._all_objects()
        if await self._layout() != before:
            raise ConflictError(
                "a collection, an experiment or a shadow came or went while the backup was taken: take it again"
            )
        if await self._schema() != schema:
            raise ConflictError("the databases were migrated while the backup was taken: take it again")
        return await asyncio.to_thread(self._finish, began, schema, server, (*open_work, *documents), objects)

    def _finish(
        self,
        began: datetime,
        schema: tuple[str, int],
        server: int,
        documents: Sequence[BackedUp],
        objects: list[BackedUp],
    ) -> Manifest:
        revision, documents_revision = schema
        manifest = Manifest(
            format=FORMAT,
            began=began,
            ended=now(),
            release=__version__,
            revision=revision,
            documents_revision=documents_revision,
            server=server,
            postgres=_backed_up(self._folder, "postgres", "postgres.dump"),
            documents=list(documents),
            objects=objects,
        )
        write_manifest(self._folder, manifest)
        return manifest

    async def _documents(self, names: Sequence[str]) -> list[BackedUp]:
        return [await self._collection(name) for name in names]

    async def _collection(self, name: str) -> BackedUp:
        bar = self._progress.add_task(name, total=await self._database[name].estimated_document_count())
        path = f"mongo/{name}.bson.gz"
        written = await dump_collection(self._database, name, self._folder / path, _advance(self._progress, bar))
        return await asyncio.to_thread(_backed_up, self._folder, name, path, entries=written)

    async def _all_objects(self) -> list[BackedUp]:
        keys = await keys_of(self._objects)
        bar = self._progress.add_task("objects", total=len(keys))
        found = []
        for number, key in enumerate(keys):
            if one := await self._object(number, key):
                found.append(one)
            self._progress.advance(bar)
        return found

    async def _object(self, number: int, key: str) -> BackedUp | None:
        """None for one that was deleted since it was listed."""
        path = f"objects/{number}"
        try:
            await self._objects.get_file(key, self._folder / path)
        except NotFoundError:
            return None
        return await asyncio.to_thread(_backed_up, self._folder, key, path)

    async def _schema(self) -> tuple[str, int]:
        """The revisions of PostgreSQL and of the documents."""
        return await present_revision(self._settings.postgres), await present_documents(self._database)

    async def _layout(self) -> tuple[list[Any], list[Any], list[Any]]:
        """What must not come or go while the parts are read one after the other."""
        async with open_connection(self._settings.postgres) as connection:
            collections = await connection.fetch("SELECT id FROM collections ORDER BY id")
        live = self._database[Experiment.Settings.name].find({}, {"is_live": 1}, sort=[("_id", 1)])
        shadows = self._database[Shadow.Settings.name].find({}, {"_id": 1}, sort=[("_id", 1)])
        return [row["id"] for row in collections], await live.to_list(), await shadows.to_list()


def _advance(progress: Progress, bar: Any) -> Advance:
    return lambda count: progress.advance(bar, count)


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConflictError(f"{folder} is not empty; a backup goes into a folder of its own")
    folder.chmod(0o700)
    for part in ("mongo", "objects"):
        (folder / part).mkdir()


def _backed_up(folder: Path, name: str, path: str, *, entries: int = 1) -> BackedUp:
    file = folder / path
    return BackedUp(name=name, path=path, size=file.stat().st_size, sha256=checksum(file), entries=entries)
