"""Fine-tuning and the curated set on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from embedding_studio.fine_tuning.clicks import normalize_query
from embedding_studio.fine_tuning.curating import EditorsJudgment
from embedding_studio.fine_tuning.models import Curated
from embedding_studio.fine_tuning.search import MOST_CONFIGURATIONS
from embedding_studio.fine_tuning.service import FineTuningRequest
from embedding_studio.fine_tuning.tracks import Track
from embedding_studio.kernel.encoder import Precision
from embedding_studio.kernel.errors import FieldError, InvalidError
from embedding_studio.kernel.storable import refuse_unstorable

__all__ = [
    "LONGEST_QUERY",
    "AdapterParams",
    "AutoParams",
    "CurationIn",
    "EncoderParams",
    "FineTuningIn",
    "JudgmentIn",
    "JudgmentPage",
    "JudgmentView",
]

LONGEST_QUERY = 1_000
"""Characters of a query that an editor judges."""


_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Seed = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=7 * 24 * 3600)] | None
_Search = Annotated[int, msgspec.Meta(ge=1, le=MOST_CONFIGURATIONS)] | None
_Scale = Annotated[float, msgspec.Meta(gt=0, le=100)] | None
_Anchor = Annotated[float, msgspec.Meta(ge=0, le=100)] | None
_Rate = Annotated[float, msgspec.Meta(gt=0, le=1)] | None
_Epochs = Annotated[int, msgspec.Meta(ge=1, le=1000)] | None
_Batch = Annotated[int, msgspec.Meta(ge=2, le=8192)] | None
_Rank = Annotated[int, msgspec.Meta(ge=1, le=256)] | None


class AutoParams(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of all tracks; what is not given keeps its default.

    `seconds` is the time that training may take in all, `search` how many settings are tried on each track.
    """

    seconds: _Seconds = None
    search: _Search = None
    seed: _Seed = None


class AdapterParams(AutoParams, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of the track `query_adapter`."""

    rank: _Rank = None
    scale: _Scale = None
    anchor: _Anchor = None
    epochs: _Epochs = None
    learning_rate: _Rate = None
    batch_size: _Batch = None


class EncoderParams(AutoParams, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of the tracks `query_encoder` and `both_encoders`."""

    scale: _Scale = None
    anchor: _Anchor = None
    epochs: _Epochs = None
    learning_rate: _Rate = None
    batch_size: _Batch = None
    lora_rank: _Rank = None
    patience: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    evaluations: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    precision: Precision | None = None


_PARAMS: Mapping[Track, type[AutoParams]] = {
    "auto": AutoParams,
    "query_adapter": AdapterParams,
    "query_encoder": EncoderParams,
    "both_encoders": EncoderParams,
}


class FineTuningIn(msgspec.Struct, forbid_unknown_fields=True):
    """A wish for a better model; `params` are those of its track."""

    track: Track = "query_adapter"
    since: _Time | None = None
    until: _Time | None = None
    base_version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    params: dict[str, Any] | None = None
    deploy: Literal["never", "if_better"] = "if_better"

    def to_domain(self) -> FineTuningRequest:
        """The wish as the service takes it.

        Raises:
            InvalidError: The track has no such setting, or it does not take this value.
        """
        return FineTuningRequest(
            track=self.track,
            since=self.since,
            until=self.until,
            base_version=self.base_version,
            params=_checked(self.params or {}, _PARAMS[self.track]),
            deploy=self.deploy,
        )


class JudgmentIn(msgspec.Struct, forbid_unknown_fields=True):
    """What an item is worth as the answer to a query, from -1 to 1; 0 says that it is worth nothing."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_QUERY)]
    item_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
    gain: Annotated[float, msgspec.Meta(ge=-1, le=1)]

    def to_domain(self, place: str) -> EditorsJudgment:
        """The judgment as the service takes it.

        Raises:
            InvalidError: The query has no letters or digits, or cannot be stored; names the place.
        """
        refuse_unstorable(self.query, f"{place}.query")
        if not normalize_query(self.query):
            raise InvalidError.at(f"{place}.query", "has no letters or digits")
        return EditorsJudgment(self.query, self.item_id, self.gain)


class CurationIn(msgspec.Struct, forbid_unknown_fields=True):
    """Judgments of an editor, each of another query and item."""

    judgments: Annotated[list[JudgmentIn], msgspec.Meta(min_length=1, max_length=1000)]

    def to_domain(self) -> list[EditorsJudgment]:
        """The judgments as the service takes them.

        Raises:
            InvalidError: Names the place.
        """
        return [one.to_domain(f"judgments[{index}]") for index, one in enumerate(self.judgments)]


class JudgmentView(msgspec.Struct):
    """A judgment of an editor."""

    query: str
    item_id: str
    gain: float
    at: datetime

    @classmethod
    def of(cls, document: Curated) -> "JudgmentView":
        """The document as clients see it."""
        return cls(document.query, document.item_id, document.gain, document.at)


class JudgmentPage(msgspec.Struct):
    """Judgments in the order in which they were first written."""

    items: list[JudgmentView]
    next_cursor: str | None


def _checked(params: Mapping[str, Any], kind: type[AutoParams]) -> dict[str, Any]:
    if unknown := sorted(params.keys() - set(kind.__struct_fields__)):
        known = ", ".join(kind.__struct_fields__)
        raise InvalidError.at(f"params.{unknown[0]}", f"the track has no such setting; there are: {known}")
    try:
        checked: dict[str, Any] = msgspec.to_builtins(msgspec.convert(params, kind))
    except msgspec.ValidationError as error:
        place = FieldError.told_by(str(error))
        raise InvalidError.at(f"params.{place.field}", place.message) from None
    return checked
