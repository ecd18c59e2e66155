"""From recorded sessions to what training and the gate read."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from embedding_studio.clickstream import AnsweredSession, ClickstreamService
from embedding_studio.fine_tuning.judgments import Click, Judgment, Judgments, judge, normalize_query
from embedding_studio.fine_tuning.splits import Split, split
from embedding_studio.sdk import GainOf
from embedding_studio.vector_store import Collection, ItemStore

__all__ = ["Dataset", "DatasetReader", "Group"]


@dataclass(frozen=True, slots=True)
class Group:
    """One query group.

    Attributes:
        text: The query as it is usually spelt.
        gains: Of the judged items that are in the index.
        users: How many agree on each of them.
        shown: All items in the index that any of its searches showed, judged or not.
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
        gone_items: Judgments of items that are not in the index any more.
    """

    sessions: int
    judgments: Judgments
    groups: Mapping[str, Group]
    splits: Mapping[Split, Sequence[str]]
    gone_items: int

    @property
    def is_enough(self) -> bool:
        """Whether there is something to train on and something to judge by."""
        return bool(self.splits["train"] and self.splits["gate"])

    @property
    def dropped(self) -> dict[str, int]:
        """What does not count, by reason."""
        gone = {"item_gone": self.gone_items} if self.gone_items else {}
        return {**self.judgments.dropped, **gone}

    def items(self, which: Split) -> list[str]:
        """The judged items of a split, each once."""
        return sorted({item for key in self.splits[which] for item in self.groups[key].gains})


class DatasetReader:
    """Reads sessions back; the same sessions make the same data set."""

    def __init__(self, *, clickstream: ClickstreamService, items: ItemStore) -> None:
        self._clickstream = clickstream
        self._items = items

    async def read(
        self, collection: Collection, gain_of: GainOf, *, since: datetime | None, until: datetime, salt: str
    ) -> Dataset:
        """The data set of the sessions from `since` to before `until`; another salt draws the splits anew."""
        clicks: list[Click] = []
        shown: dict[str, set[str]] = {}
        async for session in self._clickstream.answered(collection.name, since=since, until=until):
            clicks += _clicks(session, gain_of)
            shown.setdefault(normalize_query(session.query), set()).update(session.shown)
        judgments = judge(clicks)
        present = await self._present(collection, shown)
        groups = _groups([row for row in judgments.rows if row.item_id in present], shown, present)
        return Dataset(
            sessions=await self._clickstream.count_sessions(collection.name, since=since, until=until),
            judgments=judgments,
            groups=groups,
            splits=split(groups, salt=salt),
            gone_items=sum(row.item_id not in present for row in judgments.rows),
        )

    async def _present(self, collection: Collection, shown: Mapping[str, AbstractSet[str]]) -> set[str]:
        ever_shown = sorted(set().union(*shown.values()))
        return set(await self._items.content_hashes(collection, ever_shown))


def _clicks(session: AnsweredSession, gain_of: GainOf) -> list[Click]:
    return [
        Click(
            session_id=session.session_id,
            user=session.user,
            query=session.query,
            item_id=answer.item_id,
            gain=gain_of(answer.type, answer.value),
            at=answer.at,
            position=answer.position,
        )
        for answer in session.answers
    ]


def _groups(
    rows: Sequence[Judgment], shown: Mapping[str, AbstractSet[str]], present: AbstractSet[str]
) -> dict[str, Group]:
    by_key: dict[str, list[Judgment]] = {}
    for row in rows:
        by_key.setdefault(row.group, []).append(row)
    return {
        key: Group(
            text=members[0].query,
            gains={row.item_id: row.gain for row in members},
            users={row.item_id: row.users for row in members},
            shown=tuple(sorted(shown[key] & present)),
        )
        for key, members in by_key.items()
        if any(row.gain > 0 for row in members)
    }
