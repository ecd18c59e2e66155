"""Fine-tuning on the wire."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from embedding_studio.fine_tuning.service import FineTuningRequest, Track

__all__ = ["AdapterParams", "FineTuningIn"]

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class AdapterParams(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of the track `query_adapter`; what is not given keeps its default."""

    rank: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    scale: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    anchor: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=2, le=8192)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None


class FineTuningIn(msgspec.Struct, forbid_unknown_fields=True):
    """A wish for a better model."""

    track: Track = "query_adapter"
    since: _Time | None = None
    until: _Time | None = None
    base_version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    params: AdapterParams | None = None
    deploy: Literal["never", "if_better"] = "if_better"

    def to_domain(self) -> FineTuningRequest:
        """The wish as the service takes it."""
        return FineTuningRequest(
            track=self.track,
            since=self.since,
            until=self.until,
            base_version=self.base_version,
            params=msgspec.to_builtins(self.params) if self.params else {},
            deploy=self.deploy,
        )
