"""From clicks to judgments: what many users agree on, weighed by how far it goes beyond what chance would click.

Of each pair of query and item, trials with a click and without are summed, faded with age and capped by user, and
`click_model` says how much more it was clicked than other items at its positions. What nobody clicked is evidence of
how often that happens by itself; it never becomes a negative of the training. What editors decided is beside it.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import fsum, inf
from types import MappingProxyType
from typing import Literal

from embedding_studio.fine_tuning.click_model import ClickModel, fit_clicks
from embedding_studio.fine_tuning.clicks import Click, JudgmentConfig, Page, Sifted, sift
from embedding_studio.fine_tuning.trials import Table, tabulate

__all__ = ["Judgment", "Judgments", "Pair", "Source", "judge", "outranked"]

Source = Literal["click", "explicit", "curated"]

EXPLICIT = frozenset({"like", "dismiss", "report"})
"""Events by which a user says what the item is worth; other events come from a look at the list."""

DECIMALS = 6
"""Of a weight: what is beyond them differs from machine to machine."""

Pair = tuple[str, str]
"""A normalised query and an item."""

Votes = Sequence[tuple[Click, float]]


@dataclass(frozen=True, slots=True)
class Judgment:
    """What users, or an editor, said about an item as the answer to a query.

    Attributes:
        group: The normalised query; one group, one unit of splits and of the gate.
        query: The group's most frequent spelling.
        item_id: The item.
        gain: Weighted mean of the clicks' gains, from -1 to 1.
        weight: How sure it is that the item was meant, above 0, at most 1.
        source: `explicit` where a user said so, `click` where it was concluded, `curated` where an editor decided.
        users: Distinct users; none of an editor's judgment.
        impressions: Trials, with a click or without.
        first: The oldest click, or when the editor decided.
        last: The newest click, likewise.
    """

    group: str
    query: str
    item_id: str
    gain: float
    weight: float
    source: Source
    users: int
    impressions: int
    first: datetime
    last: datetime

    @property
    def pair(self) -> Pair:
        """What it is about."""
        return self.group, self.item_id

    @property
    def worth(self) -> float:
        """The gain to be expected: the gain as far as it is sure."""
        return self.gain * self.weight


@dataclass(frozen=True, slots=True)
class Judgments:
    """Judgments and where the other clicks went.

    Attributes:
        rows: What was concluded from clicks, by group, then item.
        curated: What editors decided, likewise.
        clicks: How many stand behind the rows.
        dropped: Clicks that count for nothing, by reason; reasons that dropped none are absent.
        dropped_pages: Pages that count for nothing, likewise.
        capped_users: Users whose clicks weigh less because they carried too large a share.
        model: What the weights come from; None without clicks.
        content_hash: SHA-256 of all judgments and the configuration; the order in which clicks, pages and editors'
            judgments came does not change it.
    """

    rows: tuple[Judgment, ...]
    curated: tuple[Judgment, ...]
    clicks: int
    dropped: Mapping[str, int]
    dropped_pages: Mapping[str, int]
    capped_users: int
    model: ClickModel | None
    content_hash: str


def judge(
    clicks: Iterable[Click],
    pages: Iterable[Page] = (),
    config: JudgmentConfig | None = None,
    *,
    curated: Iterable[Judgment] = (),
) -> Judgments:
    """Aggregate clicks to judgments.

    Ages count from the newest click or page, so that the result depends on nothing but the input.

    Args:
        clicks: All that was done.
        pages: All that was shown, whether or not something was done to it.
        config: Thresholds.
        curated: What editors decided, of each pair once; it changes nothing of what is concluded.
    """
    config = config or JudgmentConfig()
    sifted = sift(clicks, pages, config)
    decided = tuple(sorted(curated, key=lambda row: row.pair))
    if not sifted.clicks:
        return Judgments((), decided, 0, sifted.dropped, sifted.dropped_pages, 0, None, _hash(decided, config))
    return _Judging(sifted, decided, config).judgments()


def outranked(rows: Iterable[Judgment], curated: Iterable[Judgment]) -> list[Judgment]:
    """The judgments of both, by group, then item: of one pair the editor's."""
    by_pair = {row.pair: row for row in (*rows, *curated)}
    return [by_pair[pair] for pair in sorted(by_pair)]


class _Judging:
    """One aggregation of clicks."""

    def __init__(self, sifted: Sifted, curated: tuple[Judgment, ...], config: JudgmentConfig) -> None:
        self._sifted = sifted
        self._curated = curated
        self._config = config
        self._now = max(one[-1].at for one in (sifted.clicks, sifted.pages) if one)
        self._half_life = timedelta(days=config.half_life_days)
        self._factors = _user_factors(sifted.clicks, map(self._fresh, sifted.clicks), config.max_user_share)

    def judgments(self) -> Judgments:
        """The result."""
        sifted, config = self._sifted, self._config
        table = tabulate(sifted.clicks, sifted.pages, weight_of=self._weight, most=config.max_per_user_and_pair)
        evidence = fit_clicks(table.trials)
        agreed = self._agreed()
        weighed = self._weighed(agreed, table, evidence.weight.tolist())
        rows = tuple(row for row in weighed if row.weight >= config.min_weight)
        kept = sum(len(agreed[row.pair]) for row in rows)
        lonely = len(sifted.clicks) - sum(map(len, agreed.values()))
        drops = {"too_few_users": lonely, "no_better_than_others": len(sifted.clicks) - lonely - kept}
        return Judgments(
            rows=rows,
            curated=self._curated,
            clicks=kept,
            dropped=MappingProxyType({**sifted.dropped, **{name: count for name, count in drops.items() if count}}),
            dropped_pages=sifted.dropped_pages,
            capped_users=len(self._factors),
            model=evidence.model,
            content_hash=_hash((*rows, *self._curated), config),
        )

    def _fresh(self, one: Click) -> float:
        return self._faded(one.at)

    def _faded(self, at: datetime) -> float:
        return float(0.5 ** ((self._now - at) / self._half_life))

    def _weight(self, user: str, at: datetime) -> float:
        return self._faded(at) * self._factors.get(user, 1.0)

    def _agreed(self) -> dict[Pair, Votes]:
        """The votes of each pair that enough users clicked."""
        votes = defaultdict[Pair, list[tuple[Click, float]]](list)
        for click in self._sifted.clicks:
            votes[click.pair].append((click, self._weight(click.user, click.at)))
        enough = self._config.min_users
        return {pair: own for pair, own in votes.items() if len({click.user for click, _ in own}) >= enough}

    def _weighed(self, votes: Mapping[Pair, Votes], table: Table, weights: Sequence[float]) -> list[Judgment]:
        spellings = _spellings(votes)
        return [
            _judgment(spellings[pair[0]], pair, votes[pair], weights[row], int(table.times[row]))
            for pair, row in ((pair, table.rows[pair]) for pair in sorted(votes))
        ]


def _user_factors(clicks: Sequence[Click], weights: Iterable[float], share: float) -> dict[str, float]:
    """Factors below 1 for users over their share.

    A share of 1 % can only be kept by 100 users, and by 100 only if all are equal: below 200 users, twice the mean
    user's share is allowed instead.
    """
    carried = defaultdict[str, float](float)
    for click, weight in zip(clicks, weights, strict=True):
        carried[click.user] += weight
    limit = _limit(sorted(carried.values(), reverse=True), max(share, 2 / max(1, len(carried))))
    return {user: limit / weight for user, weight in carried.items() if weight > limit}


def _limit(descending: Sequence[float], share: float) -> float:
    """The weight T at which T = share · Σ min(w, T): who is cut to T carries exactly the share."""
    rest = fsum(descending)
    for cut, weight in enumerate(descending):
        limit = share * rest / (1 - cut * share)
        if weight <= limit:
            return limit
        rest -= weight
    return inf


def _spellings(votes: Mapping[Pair, Votes]) -> dict[str, str]:
    """Of each group the most frequent."""
    spellings = defaultdict[str, Counter[str]](Counter)
    for (group, _), own in votes.items():
        spellings[group].update(click.query for click, _ in own)
    return {group: min(counts, key=lambda text: (-counts[text], text)) for group, counts in spellings.items()}


def _judgment(query: str, pair: Pair, votes: Votes, clicked: float, impressions: int) -> Judgment:
    total = fsum(weight for _, weight in votes)
    said = fsum(weight for click, weight in votes if click.kind in EXPLICIT)
    return Judgment(
        group=pair[0],
        query=query,
        item_id=pair[1],
        gain=fsum(click.gain * weight for click, weight in votes) / total,
        weight=round(max(clicked, 1 - 0.5**said), DECIMALS),
        source="explicit" if said else "click",
        users=len({click.user for click, _ in votes}),
        impressions=impressions,
        first=min(click.at for click, _ in votes),
        last=max(click.at for click, _ in votes),
    )


def _hash(rows: Sequence[Judgment], config: JudgmentConfig) -> str:
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode() + b"\n")
    for row in rows:
        digest.update(json.dumps(asdict(row), sort_keys=True, default=datetime.isoformat).encode() + b"\n")
    return digest.hexdigest()
