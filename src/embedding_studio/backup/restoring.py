"""Bringing a backup into an installation that is empty."""

import asyncio
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from embedding_studio.backup.documents import drop_documents, drop_replaced, has_documents, load_collection
from embedding_studio.backup.manifest import BackedUp, Manifest, check_files, read_manifest
from embedding_studio.backup.postgres import clear_database, is_database_empty, others_at_work, restore_database
from embedding_studio.backup.taking import delete_objects, keys_of, patient
from embedding_studio.bootstrap import migrate
from embedding_studio.clickstream import Event
from embedding_studio.fine_tuning import Curated
from embedding_studio.improvement import Backlog, Unlearned
from embedding_studio.infra.documents import known_documents
from embedding_studio.infra.migrations import known_revisions
from embedding_studio.infra.mongo import Database, open_database
from embedding_studio.infra.objects import Objects, open_objects
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.infra.postgres import APPLICATION, Connection, open_connection
from embedding_studio.kernel.errors import ConflictError, InvalidError
from embedding_studio.progress import bars
from embedding_studio.settings import Settings

__all__ = ["restore"]

_CLOCKS_DIFFER = timedelta(minutes=5)
_BATCH = 500
_PAIR = ("collection", "group", "item_id")


async def restore(settings: Settings, folder: Path, *, force: bool, console: Console) -> Manifest:
    """Bring a backup into servers that are empty, and its schema to the present one.

    PostgreSQL comes last: until it is there, nothing starts on what is half restored. Searches that were answered while
    the backup was taken are learned once more, since the click memory may be from before them.

    Args:
        settings: Where the servers and the objects are.
        folder: The backup; all of it is checked before anything is written.
        force: Whether to delete what the stores hold.
        console: Shows the progress.

    Raises:
        NotFoundError: The folder holds no backup, or half of one.
        InvalidError: It is damaged, or of a newer release.
        ConflictError: A store is not empty, processes still work on it, or PostgreSQL is older than the backup's.
        UnavailableError: A server does not answer, or `pg_restore` is not there or failed.
    """
    manifest = await asyncio.to_thread(read_manifest, folder)
    if manifest.revision not in known_revisions() or manifest.documents_revision > known_documents():
        raise InvalidError(f"{folder} was made by a newer release ({manifest.release}): restore it with that one")
    try:
        async with open_database(patient(settings.mongo), ()) as database, open_objects(settings.objects) as objects:
            with bars(console) as progress:
                await _Restoring(settings, database, objects, folder, progress).run(manifest, force=force)
        await _learn_again(settings, manifest)
    except OUTAGES as error:
        raise as_unavailable(error) from error
    return manifest


class _Restoring:
    def __init__(
        self, settings: Settings, database: Database, objects: Objects, folder: Path, progress: Progress
    ) -> None:
        self._settings = settings
        self._database = database
        self._objects = objects
        self._folder = folder
        self._progress = progress

    async def run(self, manifest: Manifest, *, force: bool) -> None:
        await self._check(manifest)
        await self._empty(force=force)
        await self._put_objects(manifest.objects)
        for one in manifest.documents:
            await self._load(one)
        await drop_replaced(self._database, Curated.Settings.name, _PAIR)
        bar = self._progress.add_task("PostgreSQL", total=1)
        file = self._folder / manifest.postgres.path
        await restore_database(self._settings.postgres, file, made_by=manifest.server)
        await migrate(self._settings)
        self._progress.advance(bar)

    async def _check(self, manifest: Manifest) -> None:
        bar = self._progress.add_task("checking", total=len(manifest.files))
        checked = check_files(self._folder, manifest)
        while await asyncio.to_thread(next, checked, None):
            self._progress.advance(bar)

    async def _empty(self, *, force: bool) -> None:
        """See that nothing is there, or that nothing is left."""
        async with open_connection(self._settings.postgres) as connection:
            if count := await others_at_work(connection, APPLICATION):
                raise ConflictError(f"the API or workers hold {count} connections to the database: stop them first")
            if not force:
                await self._require_empty(connection)
                return
            await clear_database(connection)
        await drop_documents(self._database)
        await delete_objects(self._objects)

    async def _require_empty(self, connection: Connection) -> None:
        full = {
            "PostgreSQL": not await is_database_empty(connection),
            "MongoDB": await has_documents(self._database),
            "the object store": bool(await keys_of(self._objects)),
        }
        if any(full.values()):
            names = ", ".join(name for name, is_full in full.items() if is_full)
            raise ConflictError(f"there is data in: {names}; restore into an empty installation, or say --force")

    async def _put_objects(self, objects: list[BackedUp]) -> None:
        bar = self._progress.add_task("objects", total=len(objects))
        for one in objects:
            await self._objects.put_file(one.name, self._folder / one.path)
            self._progress.advance(bar)

    async def _load(self, one: BackedUp) -> None:
        bar = self._progress.add_task(one.name, total=one.entries)
        path = self._folder / one.path
        loaded = await load_collection(self._database, one.name, path, lambda count: self._progress.advance(bar, count))
        if loaded != one.entries:
            raise InvalidError(f"{one.path} holds {loaded} documents instead of {one.entries}")


async def _learn_again(settings: Settings, manifest: Manifest) -> None:
    """Let the click memory learn the sessions that had events since a little before the backup began."""
    recent = {"received_at": {"$gte": manifest.began - _CLOCKS_DIFFER}}
    backlog = Backlog()
    async with open_database(patient(settings.mongo), (Event, Unlearned)):
        groups = await Event.get_pymongo_collection().aggregate(
            [
                {"$match": recent},
                {"$group": {"_id": "$session_id", "collection": {"$first": "$collection"}}},
            ],
            allowDiskUse=True,
        )
        while batch := await groups.to_list(_BATCH):
            for name in sorted({one["collection"] for one in batch}):
                ids = [one["_id"] for one in batch if one["collection"] == name]
                await backlog.add(name, ids, manifest.began)
