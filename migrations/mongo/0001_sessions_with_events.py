"""Sessions say whether they have events: those that were written before that was kept are looked up."""

from embedding_studio.infra.mongo import Database

_BATCH = 1_000


async def upgrade(database: Database) -> None:
    """Mark them batch by batch, in one pass by id; sessions that come meanwhile say so themselves."""
    sessions, unmarked, last = database["sessions"], {"has_events": {"$exists": False}}, ""
    while True:
        found = sessions.find({"_id": {"$gt": last}, **unmarked}, {"_id": 1}, sort=[("_id", 1)], limit=_BATCH)
        batch = [one["_id"] async for one in found]
        if not batch:
            return
        last = batch[-1]
        answered = await database["events"].distinct("session_id", {"session_id": {"$in": batch}})
        silent = sorted(set(batch) - set(answered))
        for ids, has_events in ((answered, True), (silent, False)):
            await sessions.update_many({"_id": {"$in": ids}, **unmarked}, {"$set": {"has_events": has_events}})
