"""From clicks and pages to trials: one user's chance to click a pair of query and item on one day.

Everything is sorted before it is summed, so that no sum depends on the order of the input.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from embedding_studio.fine_tuning.click_model import Trials
from embedding_studio.fine_tuning.clicks import Click, Page, normalize_query

__all__ = ["Table", "tabulate"]

_POSITIONS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 46, 64, 91, 128)
"""Where classes of positions begin: single ones where each counts, then wider and wider ones."""

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Pair = tuple[str, str]
WeightOf = Callable[[str, datetime], float]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """All trials.

    Attributes:
        trials: Summed by pair and class of positions.
        times: How many trials each pair had, unweighted, int64 (pairs,).
        rows: Of each pair among them.
    """

    trials: Trials
    times: Rows
    rows: Mapping[Pair, int]


def tabulate(clicks: Sequence[Click], pages: Sequence[Page], *, weight_of: WeightOf, most: int) -> Table:
    """Sum the trials.

    Args:
        clicks: One a user, pair and day, at least one of them.
        pages: What was shown and not clicked; a pair counts once a user and day, where it stood highest.
        weight_of: What a user's trial at a time counts.
        most: Days on which one user may pass over one pair; the newest count.
    """
    names = _Names.of(clicks, pages)
    clicked, passed = names.clicked(clicks, weight_of), names.passed(pages, weight_of)
    passed = _once_a_day(passed, but=clicked).newest(most)
    return _summed(names, clicked.joined_with(passed))


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Trials one by one; users, pairs and days are numbers."""

    user: Rows
    pair: Rows
    day: Rows
    position: Rows
    weight: Floats
    clicked: Floats

    def __getitem__(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "_Columns":
        return _Columns(
            user=self.user[chosen],
            pair=self.pair[chosen],
            day=self.day[chosen],
            position=self.position[chosen],
            weight=self.weight[chosen],
            clicked=self.clicked[chosen],
        )

    def joined_with(self, other: "_Columns") -> "_Columns":
        """Both."""
        return _Columns(
            user=np.concatenate((self.user, other.user)),
            pair=np.concatenate((self.pair, other.pair)),
            day=np.concatenate((self.day, other.day)),
            position=np.concatenate((self.position, other.position)),
            weight=np.concatenate((self.weight, other.weight)),
            clicked=np.concatenate((self.clicked, other.clicked)),
        )

    def newest(self, most: int) -> "_Columns":
        """The last so many of each user and pair, of columns sorted by user, pair and day."""
        new = np.flatnonzero(np.diff(self.user, prepend=-1) | np.diff(self.pair, prepend=-1))
        size = np.diff(new, append=len(self.user))
        from_end = np.repeat(new + size, size) - np.arange(len(self.user))
        return self[from_end <= most]


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """Numbers of what has a name, in the order of the names."""

    users: Mapping[str, int]
    groups: Mapping[str, int]
    items: Mapping[str, int]

    @classmethod
    def of(cls, clicks: Sequence[Click], pages: Sequence[Page]) -> "_Names":
        searches = {(one.user, one.query) for of_kind in (clicks, pages) for one in of_kind}
        return cls(
            users=_numbered({user for user, _ in searches}),
            groups=_numbered({normalize_query(query) for _, query in searches}),
            items=_numbered({click.item_id for click in clicks}.union(*(page.items for page in pages))),
        )

    def clicked(self, clicks: Sequence[Click], weight_of: WeightOf) -> _Columns:
        """A trial a click; what is unwanted was not clicked for."""
        return self._columns(
            [(click.user, click.query, click.at.date(), weight_of(click.user, click.at)) for click in clicks],
            np.ones(len(clicks), np.int64),
            (click.item_id for click in clicks),
            (click.position for click in clicks),
            [float(click.gain > 0) for click in clicks],
        )

    def passed(self, pages: Sequence[Page], weight_of: WeightOf) -> _Columns:
        """A trial for each item of each page, none of them clicked."""
        counts = np.array([len(page.items) for page in pages], np.int64)
        return self._columns(
            [(page.user, page.query, page.at.date(), weight_of(page.user, page.at)) for page in pages],
            counts,
            (item for page in pages for item in page.items),
            (position for page in pages for position in page.positions),
            np.zeros(int(counts.sum())),
        )

    def _columns(
        self,
        searches: Sequence[tuple[str, str, date, float]],
        counts: Rows,
        items: Iterable[str],
        positions: Iterable[int],
        clicked: Sequence[float] | Floats,
    ) -> _Columns:
        """Columns of so many items a search."""
        user = np.array([self.users[user] for user, _, _, _ in searches], np.int64)
        group = np.array([self.groups[normalize_query(query)] for _, query, _, _ in searches], np.int64)
        day = np.array([day.toordinal() for _, _, day, _ in searches], np.int64)
        weight = np.array([weight for _, _, _, weight in searches], np.float64)
        item = np.fromiter((self.items[item] for item in items), np.int64)
        return _Columns(
            user=np.repeat(user, counts),
            pair=np.repeat(group, counts) * len(self.items) + item,
            day=np.repeat(day, counts),
            position=np.fromiter(positions, np.int64),
            weight=np.repeat(weight, counts),
            clicked=np.asarray(clicked, np.float64),
        )


def _numbered(names: set[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(names))}


def _once_a_day(passed: _Columns, *, but: _Columns) -> _Columns:
    """Of each user, pair and day the trial at the highest position, sorted; without those of `but`."""
    ordered = passed[np.lexsort((passed.weight, passed.position, passed.day, passed.pair, passed.user))]
    first = np.diff(ordered.user, prepend=-1) | np.diff(ordered.pair, prepend=-1) | np.diff(ordered.day, prepend=-1)
    once = ordered[first != 0]
    known = set(zip(but.user.tolist(), but.pair.tolist(), but.day.tolist(), strict=True))
    keys = zip(once.user.tolist(), once.pair.tolist(), once.day.tolist(), strict=True)
    return once[np.fromiter((key not in known for key in keys), bool, len(once.user))]


def _summed(names: _Names, one_by_one: _Columns) -> Table:
    place = np.searchsorted(_POSITIONS, one_by_one.position, side="right") - 1
    pairs, pair = np.unique(one_by_one.pair, return_inverse=True)
    order = np.lexsort((one_by_one.weight, one_by_one.clicked, one_by_one.user, one_by_one.day, place, pair))
    ordered, place, pair = one_by_one[order], place[order], pair[order]
    new = np.flatnonzero(np.diff(pair, prepend=-1) | np.diff(place, prepend=-1))
    trials = Trials(
        pair=pair[new],
        position=place[new],
        shown=np.add.reduceat(ordered.weight, new),
        clicked=np.add.reduceat(ordered.weight * ordered.clicked, new),
        query=np.unique(pairs // len(names.items), return_inverse=True)[1],
    )
    groups, items = list(names.groups), list(names.items)
    named = [(groups[number // len(items)], items[number % len(items)]) for number in pairs.tolist()]
    return Table(trials, np.bincount(pair), {name: row for row, name in enumerate(named)})
