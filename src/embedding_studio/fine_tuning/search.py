"""The search for good settings: successive halving on dev (Jamieson & Talwalkar 2016), earlier winners first."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from embedding_studio.fine_tuning.tracks import OneTrack

__all__ = ["MOST_CONFIGURATIONS", "halve", "proposals"]

MOST_CONFIGURATIONS = 12
_KEPT_OF = 3
"""One of three goes on, with three times as many epochs."""

Config = Mapping[str, Any]
T = TypeVar("T")

_SPACES: Mapping[OneTrack, Mapping[str, tuple[float, ...]]] = {
    "query_adapter": {
        "learning_rate": (1e-3, 2e-3, 5e-3, 1e-2),
        "anchor": (0.3, 1.0, 3.0, 10.0),
        "scale": (10.0, 20.0, 40.0),
        "rank": (8, 32, 64),
    },
    "query_encoder": {
        "learning_rate": (2e-5, 5e-5, 1e-4, 2e-4),
        "anchor": (0.3, 1.0, 3.0),
        "scale": (10.0, 20.0, 40.0),
    },
    "both_encoders": {
        "learning_rate": (5e-6, 1e-5, 2e-5, 5e-5),
        "anchor": (0.3, 1.0, 3.0),
        "scale": (10.0, 20.0, 40.0),
    },
}


def proposals(track: OneTrack, count: int, *, winners: Sequence[Config], asked: Config, seed: int) -> list[Config]:
    """Settings to try, each once: what was asked for, what won before, then draws from the track's ranges.

    Args:
        track: Whose settings they are.
        count: How many, at most 12.
        winners: Settings of models that the gate promoted, the newest first; at most half of the proposals.
        asked: What stands whatever is tried.
        seed: The same seed draws the same settings.
    """
    space = _SPACES[track]
    random = np.random.default_rng(seed)
    count = min(count, MOST_CONFIGURATIONS)
    earlier = [{name: winner[name] for name in space if name in winner} for winner in winners]
    drawn = ({name: random.choice(values).item() for name, values in space.items()} for _ in range(10 * count))
    found: list[Config] = []
    for one in [{}, *earlier[: count // 2], *drawn]:
        config = {**one, **asked}
        if config not in found:
            found.append(config)
    return found[:count]


async def halve(
    configs: Sequence[Config], train: Callable[[Config, float], Awaitable[T]], *, value: Callable[[T], float]
) -> T:
    """The best by the last round; each round keeps a third of the settings and trains three times as long.

    Args:
        configs: At least one. Of two that are equally good the earlier goes on.
        train: Tries settings with a share of the epochs, above 0 to 1.
        value: How good a trial is on dev; the higher the better.
    """
    rounds = 1
    while _KEPT_OF ** (rounds + 1) <= len(configs):
        rounds += 1
    for number in range(rounds if len(configs) > 1 else 0):
        share = _KEPT_OF ** float(number - rounds)
        tried = [(value(await train(config, share)), -place) for place, config in enumerate(configs)]
        best = sorted(tried, reverse=True)[: max(1, len(configs) // _KEPT_OF)]
        configs = [configs[-place] for _, place in best]
    return await train(configs[0], 1.0)
