"""What was shown and what was done with it, without what says nothing; each drop counted by its reason."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

from embedding_studio.kernel.errors import InvalidError

__all__ = ["Click", "JudgmentConfig", "Page", "Sifted", "normalize_query", "sift"]

DWELL = "dwell"

Said = TypeVar("Said", "Click", "Page")


@dataclass(frozen=True, slots=True)
class Page:
    """What one search showed.

    Attributes:
        session_id: Of the search.
        user: Who searched: the user's id, or the session's where the user is unknown.
        query: The text as it was typed.
        at: When, with a time zone.
        items: What was shown.
        positions: Of each item, from 1.
    """

    session_id: str
    user: str
    query: str
    at: datetime
    items: tuple[str, ...]
    positions: tuple[int, ...]


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
        kind: The event's type.

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
    kind: str = "click"

    def __post_init__(self) -> None:
        if not -1 <= self.gain <= 1:
            raise InvalidError.at("gain", f"{self.gain} is not from -1 to 1")

    @property
    def pair(self) -> tuple[str, str]:
        """The normalised query and the item."""
        return normalize_query(self.query), self.item_id


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgmentConfig:
    """Thresholds of `judgments.judge`.

    Attributes:
        half_life_days: After which a click, and a look without one, weigh half.
        min_users: Distinct users that a query-item pair needs.
        max_per_user_and_pair: Days on which one user may speak for one pair, and as many on which the user may pass it.
        max_user_share: Of all weight, that one user may carry.
        bot_actions_per_minute: A user who ever clicks, or searches, more often is a bot.
        everything_clicked: A session that clicked so many results and left out none above its last click says nothing.
        clicks_without_dwell: Where dwell times are sent at all, a user with so many clicks and no dwell time is a bot.
        min_weight: Judgments that weigh less say nothing.
    """

    half_life_days: float = 90.0
    min_users: int = 2
    max_per_user_and_pair: int = 5
    max_user_share: float = 0.01
    bot_actions_per_minute: int = 100
    everything_clicked: int = 8
    clicks_without_dwell: int = 20
    min_weight: float = 0.05


@dataclass(frozen=True, slots=True)
class Sifted:
    """What people said.

    Attributes:
        clicks: Oldest first; one a user, pair and day.
        pages: Oldest first, without the items that something was done to.
        dropped: Clicks by the reason for which they count for nothing; reasons that dropped none are absent.
        dropped_pages: Pages likewise.
    """

    clicks: Sequence[Click]
    pages: Sequence[Page]
    dropped: Mapping[str, int]
    dropped_pages: Mapping[str, int]


@lru_cache(maxsize=1 << 16)
def normalize_query(text: str) -> str:
    """Fold case, compatibility forms (NFKC), punctuation and white space: what is equal then is the same query."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in folded).split())


def sift(clicks: Iterable[Click], pages: Iterable[Page], config: JudgmentConfig) -> Sifted:
    """Leave out what is no person's opinion. The order of clicks and pages does not matter."""
    clicks, pages = sorted(clicks, key=_order), sorted(pages, key=lambda page: (page.at, page.session_id))
    noise = _Noise(_bots(clicks, pages, config), _hasty(clicks, config), _everything(clicks, config))
    of_people, dropped = noise.without(clicks)
    seen, dropped_pages = noise.without(pages)
    kept = of_people
    for reason, keep in _FILTERS.items():
        survivors = keep(kept, config)
        dropped[reason] += len(kept) - len(survivors)
        kept = survivors
    return Sifted(kept, _passed_over(seen, of_people), _counted(dropped), _counted(dropped_pages))


def _order(click: Click) -> tuple[object, ...]:
    return (click.at, click.user, click.session_id, click.item_id, click.query, click.position, click.gain, click.kind)


def _counted(reasons: Counter[str]) -> Mapping[str, int]:
    return MappingProxyType({reason: count for reason, count in reasons.items() if count})


def _bots(clicks: Sequence[Click], pages: Sequence[Page], config: JudgmentConfig) -> set[str]:
    return _faster(clicks, config.bot_actions_per_minute) | _faster(pages, config.bot_actions_per_minute)


def _faster(actions: Sequence[Click] | Sequence[Page], limit: int) -> set[str]:
    """Users with more actions in any minute."""
    times = defaultdict[str, list[datetime]](list)
    for action in actions:
        times[action.user].append(action.at)
    minute = timedelta(minutes=1)
    return {
        user
        for user, at in times.items()
        if any(late - early < minute for early, late in zip(at, at[limit:], strict=False))
    }


def _hasty(clicks: Sequence[Click], config: JudgmentConfig) -> set[str]:
    """Users who click and click and never stay, where others are seen to."""
    stayed = {click.user for click in clicks if click.kind == DWELL}
    count = Counter(click.user for click in clicks if click.gain) if stayed else Counter[str]()
    return {user for user, clicked in count.items() if clicked >= config.clicks_without_dwell and user not in stayed}


def _everything(clicks: Sequence[Click], config: JudgmentConfig) -> set[str]:
    """Sessions that chose nothing."""
    positions = defaultdict[str, set[int]](set)
    for click in clicks:
        if click.gain:
            positions[click.session_id].add(click.position)
    return {
        session
        for session, clicked in positions.items()
        if len(clicked) >= config.everything_clicked and len(clicked) == max(clicked)
    }


@dataclass(frozen=True, slots=True)
class _Noise:
    """Who and what says nothing."""

    bots: AbstractSet[str]
    hasty: AbstractSet[str]
    everything: AbstractSet[str]

    def reason(self, one: Click | Page) -> str | None:
        """Why it says nothing, if so."""
        if not normalize_query(one.query):
            return "no_words"
        if one.user in self.bots:
            return "bot_rate"
        if one.user in self.hasty:
            return "no_dwell"
        return "clicked_everything" if one.session_id in self.everything else None

    def without(self, said: Sequence[Said]) -> tuple[list[Said], Counter[str]]:
        """What is left, and how much is not, by reason."""
        reasons = [self.reason(one) for one in said]
        kept = [one for one, reason in zip(said, reasons, strict=True) if reason is None]
        return kept, Counter(reason for reason in reasons if reason)


Filter = Callable[[Sequence[Click], JudgmentConfig], list[Click]]


def _with_gain(clicks: Sequence[Click], _: JudgmentConfig) -> list[Click]:
    return [click for click in clicks if click.gain]


def _once_a_day(clicks: Sequence[Click], _: JudgmentConfig) -> list[Click]:
    strongest: dict[tuple[object, ...], Click] = {}
    for click in clicks:
        key = (click.user, *click.pair, click.at.date())
        if key not in strongest or abs(click.gain) >= abs(strongest[key].gain):
            strongest[key] = click
    return sorted(strongest.values(), key=_order)


def _at_most_a_few(clicks: Sequence[Click], config: JudgmentConfig) -> list[Click]:
    seen = Counter[tuple[str, str, str]]()
    newest: list[Click] = []
    for click in reversed(clicks):
        key = (click.user, *click.pair)
        seen[key] += 1
        if seen[key] <= config.max_per_user_and_pair:
            newest.append(click)
    return newest[::-1]


_FILTERS: Mapping[str, Filter] = MappingProxyType(
    {"no_gain": _with_gain, "duplicate": _once_a_day, "user_repeats_pair": _at_most_a_few}
)


def _passed_over(pages: Sequence[Page], clicks: Sequence[Click]) -> list[Page]:
    """The pages without the items that the session did something to."""
    answered = defaultdict[str, set[str]](set)
    for click in clicks:
        if click.gain:
            answered[click.session_id].add(click.item_id)
    return [_without(page, answered[page.session_id]) if page.session_id in answered else page for page in pages]


def _without(page: Page, items: AbstractSet[str]) -> Page:
    left = [(item, at) for item, at in zip(page.items, page.positions, strict=True) if item not in items]
    return Page(
        page.session_id,
        page.user,
        page.query,
        page.at,
        tuple(item for item, _ in left),
        tuple(position for _, position in left),
    )
