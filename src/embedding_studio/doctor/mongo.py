"""Whether MongoDB is fit to serve."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from beanie import Document
from pymongo.errors import OperationFailure

from embedding_studio.doctor.checks import Check, bad, ok, warn
from embedding_studio.doctor.clocks import check_clock
from embedding_studio.infra.documents import missing_indexes, require_documents
from embedding_studio.infra.mongo import Database, MongoSettings, open_database
from embedding_studio.kernel.errors import ConflictError
from embedding_studio.kernel.ids import new_id
from embedding_studio.kernel.time import now

__all__ = ["check_mongo", "judge_mongo"]

_NAME = "mongo"
_LEAST = 6
_PROBE = "doctor"


async def check_mongo(settings: MongoSettings, documents: Sequence[type[Document]]) -> list[Check]:
    """Look at the server that the settings name, and whether it has what the documents need."""
    async with open_database(settings, ()) as database:
        build, hello = await database.command("buildInfo"), await database.command("hello")
        asked, clock = now(), hello["localTime"].replace(tzinfo=UTC)  # the driver's answer knows no zone
        checks = [*judge_mongo(build["version"], hello), *check_clock(_NAME, clock, asked)]
        return [*checks, await _documents(database), await _indexes(database, documents), *await _writable(database)]


def judge_mongo(version: str, hello: Mapping[str, Any]) -> Iterator[Check]:
    """What is wrong, and what is not."""
    kind = f"replica set {hello['setName']}" if "setName" in hello else "one server"
    if int(version.partition(".")[0]) < _LEAST:
        yield bad(_NAME, f"version {version}", f"upgrade it to {_LEAST} or newer")
    elif "setName" not in hello:
        yield warn(
            _NAME, f"version {version}, one server: its disk is all there is", "run a replica set, or back up often"
        )
    else:
        yield ok(_NAME, f"version {version}, {kind}")
    if not hello.get("isWritablePrimary"):
        yield bad(
            _NAME, "no primary was reached: nothing can be written", "name all members and replicaSet in MONGO__URL"
        )


async def _documents(database: Database) -> Check:
    try:
        await require_documents(database)
    except ConflictError:
        return bad("documents", "are those of an older release", "run: embedding-studio migrate")
    return ok("documents", "are of this release")


async def _indexes(database: Database, documents: Sequence[type[Document]]) -> Check:
    missing = await missing_indexes(database, documents)
    if missing:
        return bad("indexes", f"MongoDB lacks {', '.join(missing)}", "run: embedding-studio migrate")
    return ok("indexes", "of MongoDB are all there")


async def _writable(database: Database) -> list[Check]:
    probe = {"_id": f"{_PROBE}-{new_id()}"}
    try:
        await database[_PROBE].insert_one(probe)
        await database[_PROBE].delete_one(probe)
    except OperationFailure as error:
        return [bad(_NAME, f"our user may not write ({error.code})", "grant it readWrite on the database")]
    return []
