"""From recorded sessions and the curated set to what training and the gate read.

What an editor decided goes the way of its query. In the train split it outranks what clicks say of the same pair. In
the dev split too, where the query was ever searched for: else there is no list to choose by. In the gate split it
stays by itself: it guards, and changes nothing of what users said there.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from embedding_studio.clickstream import Answer, AnsweredSession, ClickstreamService
from embedding_studio.fine_tuning.clicks import Click, Page, normalize_query
from embedding_studio.fine_tuning.judgments import Judgment, Judgments, judge, outranked
from embedding_studio.fine_tuning.repository import CuratedRepository
from embedding_studio.fine_tuning.splits import Split, split, split_of
from embedding_studio.sdk import GainOf
from embedding_studio.vector_store import Collection, ItemStore

__all__ = ["Dataset", "DatasetReader", "Group"]

_SESSIONS = 200_000
"""The newest are read: what they show takes about half a gigabyte."""


@dataclass(frozen=True, slots=True)
class Group:
    """One query group.

    Attributes:
        text: The query as it is usually spelt.
        gains: To be expected of the judged items that are in the index: what users said, as far as it is sure, or an
            editor.
        users: How many agree on each of them; none where an editor decided.
        shown: All items in the index that any of its searches showed, judged or not, and those that an editor judged.
    """

    text: str
    gains: Mapping[str, float]
    users: Mapping[str, int]
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The judgments of a time, by group and split.

    Attributes:
        sessions: Searches that were recorded in the time.
        judgments: All judgments with their drops.
        groups: Those with an item of positive gain that is still in the index.
        splits: The groups' keys by split.
        curated: The queries of the gate split with an item that an editor wants and that is in the index, each with the
            editor's gains alone. Whether users search for them is not asked.
        gone_items: Judgments of items that are not in the index.
        too_old: Events of sessions that were not read, as there were too many younger ones.
        irrelevant: Events of sessions that shall teach nothing.
    """

    sessions: int
    judgments: Judgments
    groups: Mapping[str, Group]
    splits: Mapping[Split, Sequence[str]]
    curated: Mapping[str, Group]
    gone_items: int
    too_old: int = 0
    irrelevant: int = 0

    @property
    def is_enough(self) -> bool:
        """Whether there is something to train on and something to judge by."""
        return bool(self.splits["train"] and self.splits["gate"])

    @property
    def dropped(self) -> dict[str, int]:
        """What does not count, by reason."""
        ours = {"item_gone": self.gone_items, "too_old": self.too_old, "irrelevant": self.irrelevant}
        return {**self.judgments.dropped, **{reason: count for reason, count in ours.items() if count}}

    def items(self, which: Split) -> list[str]:
        """The judged items of a split, each once."""
        return sorted({item for key in self.splits[which] for item in self.groups[key].gains})


class DatasetReader:
    """Reads sessions and the curated set back; the same of both make the same data set."""

    def __init__(self, *, clickstream: ClickstreamService, curated: CuratedRepository, items: ItemStore) -> None:
        self._clickstream = clickstream
        self._curated = curated
        self._items = items

    async def read(
        self, collection: Collection, gain_of: GainOf, *, since: datetime | None, until: datetime, salt: str
    ) -> Dataset:
        """The data set of the sessions from `since` to before `until` and of the curated set as it stands.

        Another salt draws the splits anew.
        """
        sessions, too_old = await self._newest(collection, since=since, until=until)
        shown: dict[str, set[str]] = {}
        for session in sessions:
            shown.setdefault(normalize_query(session.page.query), set()).update(session.page.items)
        judgments = await asyncio.to_thread(
            judge,
            [click for session in sessions for click in session.clicks(gain_of)],
            [session.page for session in sessions],
            curated=await self._curated.judgments(collection.name),
        )
        every = [*judgments.rows, *judgments.curated]
        present = await self._present(collection, every, shown)
        curated: dict[Split, list[Judgment]] = {"train": [], "dev": [], "gate": []}
        for row in judgments.curated:
            curated[split_of(row.group, salt=salt)].append(row)
        choosing = [row for row in curated["dev"] if row.group in shown]
        groups = _groups(outranked(judgments.rows, [*curated["train"], *choosing]), shown, present)
        return Dataset(
            sessions=await self._clickstream.count_sessions(collection.name, since=since, until=until),
            judgments=judgments,
            groups=groups,
            splits=split(groups, salt=salt),
            curated=_groups(curated["gate"], {}, present),
            gone_items=sum(row.item_id not in present for row in every),
            too_old=too_old,
            irrelevant=await self._clickstream.count_irrelevant(collection.name, since=since, until=until),
        )

    async def _newest(
        self, collection: Collection, *, since: datetime | None, until: datetime
    ) -> tuple[Sequence["_Session"], int]:
        """The newest sessions, oldest first, and the number of events in those that were left out."""
        same: dict[str, str] = {}
        newest = deque[_Session]()
        too_old = 0
        async for session in self._clickstream.answered(collection.name, since=since, until=until, silent=True):
            newest.append(_Session.of(session, same))
            if len(newest) > _SESSIONS:
                too_old += len(newest.popleft().answers)
        return newest, too_old

    async def _present(
        self, collection: Collection, rows: Sequence[Judgment], shown: Mapping[str, AbstractSet[str]]
    ) -> set[str]:
        """Of the judged items, and of those that were shown for judged queries, the ones in the index."""
        named = {row.item_id for row in rows}.union(*(shown.get(group, ()) for group in {row.group for row in rows}))
        return set(await self._items.content_hashes(collection, sorted(named)))


@dataclass(frozen=True, slots=True)
class _Session:
    """A session as small as can be: many are held at a time, and most show items that others show too."""

    page: Page
    answers: tuple[Answer, ...]

    @classmethod
    def of(cls, session: AnsweredSession, same: dict[str, str]) -> "_Session":
        """The session; equal texts become the same object."""
        page = Page(
            session_id=session.session_id,
            user=session.user,
            query=same.setdefault(session.query, session.query),
            at=session.at,
            items=tuple(same.setdefault(one.id, one.id) for one in session.impressions),
            positions=tuple(one.position for one in session.impressions),
        )
        return cls(page, session.answers)

    def clicks(self, gain_of: GainOf) -> list[Click]:
        """What was done, with what the plugin makes of it."""
        return [
            Click(
                session_id=self.page.session_id,
                user=self.page.user,
                query=self.page.query,
                item_id=answer.item_id,
                gain=gain_of(answer.type, answer.value),
                at=answer.at,
                position=answer.position,
                kind=answer.type,
            )
            for answer in self.answers
        ]


def _groups(
    rows: Sequence[Judgment], shown: Mapping[str, AbstractSet[str]], present: AbstractSet[str]
) -> dict[str, Group]:
    by_key: dict[str, list[Judgment]] = {}
    for row in (row for row in rows if row.item_id in present):
        by_key.setdefault(row.group, []).append(row)
    return {
        key: Group(
            text=members[0].query,
            gains={row.item_id: row.worth for row in members},
            users={row.item_id: row.users for row in members},
            shown=tuple(sorted(shown.get(key, set()) & present | {row.item_id for row in members})),
        )
        for key, members in by_key.items()
        if any(row.gain > 0 for row in members)
    }
