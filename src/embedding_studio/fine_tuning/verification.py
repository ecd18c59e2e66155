"""Making the gate's decision again from what is stored with a model version."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from embedding_studio.fine_tuning.bootstrap import Comparison
from embedding_studio.fine_tuning.gate import Decision, Fidelity, GateRecord, verify
from embedding_studio.fine_tuning.guard_slices import SliceResult
from embedding_studio.fine_tuning.replay import ReplayEstimate
from embedding_studio.inference import ModelService
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.vector_store import CollectionService

__all__ = ["GateVerifier", "VerifiedGate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedGate:
    """A stored record, and whether it is what its evidence gives.

    Attributes:
        version: Of the model.
        differing: Fields that come out otherwise when the decision is made again; none in a sound record.
        decision: As stored, like all that follows.
    """

    collection: str
    version: int
    differing: tuple[str, ...]
    decision: Decision
    reasons: tuple[str, ...]
    groups: int
    metrics: Mapping[str, Comparison]
    slices: Mapping[str, SliceResult]
    replay: ReplayEstimate
    fidelity: Fidelity | None = None
    resamples: int
    seed: int
    data_hash: str

    @property
    def is_verified(self) -> bool:
        """Whether every field came out the same."""
        return not self.differing


class GateVerifier:
    """Reads records back and decides again; nothing is changed."""

    def __init__(self, *, collections: CollectionService, models: ModelService) -> None:
        self._collections = collections
        self._models = models

    async def verify(self, name: str, version: int) -> VerifiedGate:
        """Decide again on a version's stored evidence.

        Raises:
            CollectionNotFoundError: There is no such collection.
            ModelNotFoundError: There is no such trained version.
            InvalidError: What is stored is no gate record, or its evidence cannot be decided on.
        """
        stored = await self._models.gate_record(await self._collections.current(name), version)
        record = _read(stored)
        return VerifiedGate(
            collection=name,
            version=version,
            differing=await asyncio.to_thread(verify, record),
            decision=record.decision,
            reasons=record.reasons,
            groups=record.groups,
            metrics=record.metrics,
            slices=record.slices,
            replay=record.replay,
            fidelity=record.evidence.fidelity,
            resamples=record.resamples,
            seed=record.seed,
            data_hash=record.evidence.data_hash,
        )


def _read(stored: bytes) -> GateRecord:
    try:
        return GateRecord.from_dict(msgspec.json.decode(stored, type=dict))
    except msgspec.DecodeError as error:
        raise InvalidError(f"no gate record: {error}") from error
