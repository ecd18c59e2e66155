"""Bringing MongoDB's documents and indexes to their present shape.

A revision is a file of `migrations/mongo`: an `upgrade` that may be done twice, and beside which the release before
goes on reading and writing.
"""

from collections.abc import Awaitable, Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from beanie import Document

from embedding_studio.infra.mongo import Database, MongoSettings, open_database
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.errors import ConflictError

__all__ = [
    "known_documents",
    "migrate_documents",
    "missing_indexes",
    "present_documents",
    "require_documents",
]

_PATIENCE = 3_600.0
_NOTE = "schema"
_DIGITS = 4

_Upgrade = Callable[[Database], Awaitable[None]]


async def migrate_documents(settings: MongoSettings, documents: Sequence[type[Document]]) -> None:
    """Apply the revisions that are missing, each noted once it is done, and make the indexes that are missing.

    To be called inside `migrating_alone`: two at once would do the same work twice, though with the same result.
    """
    patient = settings.model_copy(update={"timeout": _PATIENCE})
    async with open_database(patient, documents, make_indexes=True) as database:
        done = await present_documents(database)
        for number, path in _revisions():
            if number > done:
                await _upgrade_of(path)(database)
                await _note(database, number)


async def require_documents(database: Database) -> None:
    """See that the documents are not older than this release.

    Raises:
        ConflictError: They are.
    """
    if await present_documents(database) < known_documents():
        raise ConflictError("the documents in MongoDB are those of an older release; run: embedding-studio migrate")


def known_documents() -> int:
    """The newest revision of documents that this release knows."""
    return _revisions()[-1][0]


async def present_documents(database: Database) -> int:
    """The revision that the documents are at; 0 where they were never migrated."""
    note = await database[_NOTE].find_one({"_id": "revision"})
    return note["number"] if note else 0


async def missing_indexes(database: Database, documents: Sequence[type[Document]]) -> list[str]:
    """Indexes that the documents want and that are not there, as `collection.name`."""
    missing: list[str] = []
    for document in documents:
        settings = getattr(document, "Settings")  # noqa: B009  # Beanie has it on each document, and declares it nowhere
        present = await database[settings.name].index_information()
        wanted = (index.document["name"] for index in getattr(settings, "indexes", ()))
        missing += [f"{settings.name}.{name}" for name in wanted if name not in present]
    return missing


async def _note(database: Database, number: int) -> None:
    await database[_NOTE].update_one({"_id": "revision"}, {"$max": {"number": number}}, upsert=True)


def _revisions() -> list[tuple[int, Path]]:
    files = (shipped("migrations") / "mongo").glob("[0-9]*.py")
    return sorted((int(path.name[:_DIGITS]), path) for path in files)


def _upgrade_of(path: Path) -> _Upgrade:
    spec = spec_from_file_location(f"mongo_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise AssertionError(f"{path} is no module")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    upgrade: _Upgrade = module.upgrade
    return upgrade
