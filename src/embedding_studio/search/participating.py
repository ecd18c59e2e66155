"""Which part a search has in an experiment: whose arm answers it, and what its cursors carry of that."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from embedding_studio.experiments import RankingOverrides, Trial, Trials, Variant
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.ids import new_id
from embedding_studio.search.domain import PageStart, SearchRequest
from embedding_studio.search.planning import AS_IT_IS
from embedding_studio.vector_store import Collection

__all__ = ["INTERLEAVED", "Part", "Participation", "ShownVariant"]

ShownVariant = Literal["control", "treatment", "interleaved"]

INTERLEAVED: ShownVariant = "interleaved"
"""The variant of a search that both arms answer together."""

_CURSOR = re.compile(
    r"(?P<experiment>[0-9a-f]{32})\.(?:(?P<arm>control|treatment)|interleaved\.(?P<seed>\d{1,10}))\."
    r"(?P<start>[\w-]+)(?:\.(?P<other>[\w-]+))?",
    re.ASCII,
)
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Part:
    """A search, and its part in an experiment.

    Attributes:
        session_id: The id of its session, if that will be recorded.
        collection: As the arm serves it; of a draft, the control.
        request: Its cursor is that of the collection's ranking.
        trial: None: the search is in no experiment.
        seed: What a draft is tossed with; None where one arm answers alone.
        other: The cursor of the treatment's ranking in a draft.
    """

    session_id: str
    collection: Collection
    request: SearchRequest
    overrides: RankingOverrides = AS_IT_IS
    trial: Trial | None = None
    variant: ShownVariant | None = None
    seed: int | None = None
    other: str | None = None

    @property
    def of_treatment(self) -> tuple[Collection, SearchRequest, RankingOverrides]:
        """What the treatment of a draft is asked."""
        if self.trial is None:
            raise ValueError("a search in no experiment has no treatment")
        arm = self.trial.treatment
        return arm.collection, replace(self.request, cursor=self.other), arm.overrides

    def outside(self) -> "Part":
        """The same search without a part in the experiment: what ranks does not matter to it."""
        return replace(self, trial=None, variant=None, seed=None)

    def cursor(self, following: Sequence[PageStart]) -> str | None:
        """What carries the start of the next page, and the part; None where there is none."""
        if not following:
            return None
        arm = f"{self.variant}.{self.seed}" if self.seed is not None else self.variant
        part = (self.trial.id, arm) if self.trial else ()
        return ".".join([*map(str, part), *(start.encode() for start in following)])

    def model_of(self, team: Variant | None) -> int | None:
        """The model version that ranked an item, by its team."""
        return self.trial.arm(team).collection.model_version if self.trial and team else None


class Participation:
    """Settles which arm a search belongs to."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials

    async def of(self, collection: Collection, request: SearchRequest) -> Part:
        """The part of a search: that of its first page, or that of its user, or by lot for its session.

        A search of an unknown user is in no experiment among users, and one that is not recorded in none among
        sessions.

        Raises:
            InvalidError: The cursor is none, or of an experiment that is gone.
        """
        alone = Part(new_id(), collection, request)
        if request.cursor is not None:
            return await self._of_cursor(alone, request.cursor) if "." in request.cursor else alone
        trial = await self._trials.running(collection)
        if trial is None:
            return alone
        session_id = alone.session_id if request.track else None
        variant = trial.variant_of(user_id=request.user_id, session_id=session_id)
        if variant is None:
            return alone
        if trial.kind == "ab":
            return _of_arm(alone, trial, variant)
        return alone if request.sort else _of_draft(alone, trial, secrets.randbelow(_SEEDS))

    async def _of_cursor(self, alone: Part, cursor: str) -> Part:
        read = _CURSOR.fullmatch(cursor)
        if read is None:
            raise InvalidError.at("cursor", "is not a cursor of this list")
        trial = await self._trials.of_cursor(alone.collection, read["experiment"])
        alone = replace(alone, request=replace(alone.request, cursor=read["start"]))
        variant: Variant = "control" if read["arm"] == "control" else "treatment"
        if trial.kind == "ab" and read["arm"] and not read["other"]:
            return _of_arm(alone, trial, variant)
        if trial.kind == "interleaving" and not read["arm"] and read["other"]:
            return _of_draft(alone, trial, int(read["seed"]), read["other"])
        raise InvalidError.at("cursor", "is not a cursor of this list")


def _of_arm(alone: Part, trial: Trial, variant: Variant) -> Part:
    arm = trial.arm(variant)
    return replace(alone, collection=arm.collection, overrides=arm.overrides, trial=trial, variant=variant)


def _of_draft(alone: Part, trial: Trial, seed: int, other: str | None = None) -> Part:
    drafted = _of_arm(alone, trial, "control")
    return replace(drafted, variant=INTERLEAVED, seed=seed, other=other)
