"""From clicks to judgments: what many users agree on, each drop counted by its reason."""

import hashlib
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import fsum, inf
from types import MappingProxyType

from embedding_studio.kernel.errors import InvalidError

__all__ = ["Click", "Judgment", "JudgmentConfig", "Judgments", "judge", "normalize_query"]


@dataclass(frozen=True, slots=True)
class Click:
    """One thing that a user did to one shown item.

    Attributes:
        session_id: The search that showed the item.
        user: Who did it: the user's id, or the session's where the user is unknown.
        query: The text as it was typed.
        item_id: The item.
        gain: What the plugin makes of the event, from -1 (unwanted) to 1 (wanted).
        at: When, with a time zone.
        position: Where the item was shown, from 1.

    Raises:
        InvalidError: The gain is out of its range.
    """

    session_id: str
    user: str
    query: str
    item_id: str
    gain: float
    at: datetime
    position: int

    def __post_init__(self) -> None:
        if not -1 <= self.gain <= 1:
            raise InvalidError.at("gain", f"{self.gain} is not from -1 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgmentConfig:
    """Thresholds of `judge`.

    Attributes:
        half_life_days: After which a click weighs half.
        min_users: Distinct users that a query-item pair needs.
        max_per_user_and_pair: Days on which one user may speak for one pair.
        max_user_share: Of all weight, that one user may carry.
        bot_clicks_per_minute: A user who ever does more is a bot.
        everything_clicked: A session that clicked so many results and left out none above its last click says nothing.
    """

    half_life_days: float = 90.0
    min_users: int = 2
    max_per_user_and_pair: int = 5
    max_user_share: float = 0.01
    bot_clicks_per_minute: int = 100
    everything_clicked: int = 8


@dataclass(frozen=True, slots=True)
class Judgment:
    """What users said about an item as the answer to a query.

    Attributes:
        group: The normalised query; one group, one unit of splits and of the gate.
        query: The group's most frequent spelling.
        item_id: The item.
        gain: Weighted mean of the clicks' gains, from -1 to 1.
        weight: Sum of the clicks' weights, above 0; a fresh click weighs 1.
        users: Distinct users.
        first: The oldest click.
        last: The newest click.
    """

    group: str
    query: str
    item_id: str
    gain: float
    weight: float
    users: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Judgments:
    """Judgments and where the other clicks went.

    Attributes:
        rows: By group, then item.
        dropped: Clicks that count for nothing, by reason; reasons that dropped none are absent.
        capped_users: Users whose clicks weigh less because they carried too large a share.
        content_hash: SHA-256 of the rows; the order in which the clicks came does not change it.
    """

    rows: tuple[Judgment, ...]
    dropped: Mapping[str, int]
    capped_users: int
    content_hash: str


def judge(clicks: Iterable[Click], config: JudgmentConfig | None = None) -> Judgments:
    """Aggregate clicks to judgments.

    Ages count from the newest click, so that the result depends on nothing but the input. Negative gains count as
    positive ones do: they pull the pair's mean down.
    """
    config = config or JudgmentConfig()
    kept = sorted(clicks, key=_order)
    dropped: dict[str, int] = {}
    for reason, keep in _FILTERS.items():
        survivors = keep(kept, config)
        if len(survivors) < len(kept):
            dropped[reason] = len(kept) - len(survivors)
        kept = survivors
    weights = _fresh_weights(kept, config.half_life_days)
    factors = _user_factors(kept, weights, config.max_user_share)
    rows = _aggregate(
        kept, [weight * factors.get(click.user, 1.0) for click, weight in zip(kept, weights, strict=True)]
    )
    return Judgments(rows, MappingProxyType(dropped), len(factors), _hash(rows))


@lru_cache(maxsize=1 << 16)
def normalize_query(text: str) -> str:
    """Fold case, compatibility forms (NFKC), punctuation and white space: what is equal then is the same query."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in folded).split())


def _order(click: Click) -> tuple[object, ...]:
    return (click.at, click.user, click.session_id, click.item_id, click.query, click.position, click.gain)


Pair = tuple[str, str]
Filter = Callable[[Sequence[Click], JudgmentConfig], list[Click]]


def _pair(click: Click) -> Pair:
    return normalize_query(click.query), click.item_id


def _with_gain(clicks: Sequence[Click], _: JudgmentConfig) -> list[Click]:
    return [click for click in clicks if click.gain]


def _with_words(clicks: Sequence[Click], _: JudgmentConfig) -> list[Click]:
    return [click for click in clicks if normalize_query(click.query)]


def _by_people(clicks: Sequence[Click], config: JudgmentConfig) -> list[Click]:
    times = defaultdict[str, list[datetime]](list)
    for click in clicks:
        times[click.user].append(click.at)
    limit, minute = config.bot_clicks_per_minute, timedelta(minutes=1)
    bots = {
        user
        for user, at in times.items()
        if any(late - early < minute for early, late in zip(at, at[limit:], strict=False))
    }
    return [click for click in clicks if click.user not in bots]


def _choosy(clicks: Sequence[Click], config: JudgmentConfig) -> list[Click]:
    positions = defaultdict[str, set[int]](set)
    for click in clicks:
        positions[click.session_id].add(click.position)
    every = {
        session
        for session, clicked in positions.items()
        if len(clicked) >= config.everything_clicked and len(clicked) == max(clicked)
    }
    return [click for click in clicks if click.session_id not in every]


def _once_a_day(clicks: Sequence[Click], _: JudgmentConfig) -> list[Click]:
    strongest: dict[tuple[object, ...], Click] = {}
    for click in clicks:
        key = (click.user, *_pair(click), click.at.date())
        if key not in strongest or abs(click.gain) >= abs(strongest[key].gain):
            strongest[key] = click
    return sorted(strongest.values(), key=_order)


def _at_most_a_few(clicks: Sequence[Click], config: JudgmentConfig) -> list[Click]:
    seen = Counter[tuple[str, str, str]]()
    newest: list[Click] = []
    for click in reversed(clicks):
        key = (click.user, *_pair(click))
        seen[key] += 1
        if seen[key] <= config.max_per_user_and_pair:
            newest.append(click)
    return newest[::-1]


def _agreed(clicks: Sequence[Click], config: JudgmentConfig) -> list[Click]:
    users = defaultdict[Pair, set[str]](set)
    for click in clicks:
        users[_pair(click)].add(click.user)
    return [click for click in clicks if len(users[_pair(click)]) >= config.min_users]


_FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "no_gain": _with_gain,
        "no_words": _with_words,
        "bot_rate": _by_people,
        "clicked_everything": _choosy,
        "duplicate": _once_a_day,
        "user_repeats_pair": _at_most_a_few,
        "too_few_users": _agreed,
    }
)


def _fresh_weights(clicks: Sequence[Click], half_life_days: float) -> list[float]:
    half_life = timedelta(days=half_life_days)
    return [0.5 ** ((clicks[-1].at - click.at) / half_life) for click in clicks]


def _user_factors(clicks: Sequence[Click], weights: Sequence[float], share: float) -> dict[str, float]:
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


def _aggregate(clicks: Sequence[Click], weights: Sequence[float]) -> tuple[Judgment, ...]:
    votes = defaultdict[Pair, list[tuple[Click, float]]](list)
    spellings = defaultdict[str, Counter[str]](Counter)
    for click, weight in zip(clicks, weights, strict=True):
        votes[_pair(click)].append((click, weight))
        spellings[normalize_query(click.query)][click.query] += 1
    usual = {group: min(counts, key=lambda text: (-counts[text], text)) for group, counts in spellings.items()}
    return tuple(_judgment(pair, usual[pair[0]], votes[pair]) for pair in sorted(votes))


def _judgment(pair: Pair, query: str, votes: Sequence[tuple[Click, float]]) -> Judgment:
    weight = fsum(weight for _, weight in votes)
    return Judgment(
        group=pair[0],
        query=query,
        item_id=pair[1],
        gain=fsum(click.gain * weight for click, weight in votes) / weight,
        weight=weight,
        users=len({click.user for click, _ in votes}),
        first=min(click.at for click, _ in votes),
        last=max(click.at for click, _ in votes),
    )


def _hash(rows: Sequence[Judgment]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(asdict(row), sort_keys=True, default=datetime.isoformat).encode() + b"\n")
    return digest.hexdigest()
