"""POST …/fine-tuning, the gate's records, and the curated set."""

from typing import Annotated

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from embedding_studio.fine_tuning.curating import CuratingService, Curation
from embedding_studio.fine_tuning.schemas import LONGEST_QUERY, CurationIn, FineTuningIn, JudgmentPage, JudgmentView
from embedding_studio.fine_tuning.service import FineTuningService
from embedding_studio.fine_tuning.verification import GateVerifier, VerifiedGate
from embedding_studio.kernel.cursors import decode_cursor, encode_cursor
from embedding_studio.kernel.storable import refuse_unstorable
from embedding_studio.tasks import Accepted, Idempotency

__all__ = ["FineTuningController", "GateController", "JudgmentController"]

_Query = Annotated[str | None, QueryParameter(name="query", min_length=1, max_length=LONGEST_QUERY)]
_ItemId = Annotated[str | None, QueryParameter(min_length=1, max_length=512)]


class FineTuningController(Controller):
    """Better models from what users did."""

    path = "/api/v1/collections/{name:str}/fine-tuning"
    tags = ("learning",)

    @post(status_code=202)
    async def fine_tune(
        self,
        fine_tuning: NamedDependency[FineTuningService],
        idempotency: NamedDependency[Idempotency | None],
        name: FromPath[str],
        data: JSONBody[FineTuningIn],
    ) -> Accepted:
        """Train a model on recorded sessions, judge it, and deploy it if it earned that."""
        task = await fine_tuning.submit(name, data.to_domain(), idempotency=idempotency)
        return Accepted(task.id)


class GateController(Controller):
    """Why a model was promoted or not."""

    path = "/api/v1/collections/{name:str}/models/{version:int}/gate"
    tags = ("learning",)

    @get()
    async def verify_gate(
        self, gate_verifier: NamedDependency[GateVerifier], name: FromPath[str], version: FromPath[int]
    ) -> VerifiedGate:
        """Look at the gate's record of a model, and make its decision again from the stored evidence."""
        return await gate_verifier.verify(name, version)


class JudgmentController(Controller):
    """What editors decide of queries that are to stay good."""

    path = "/api/v1/collections/{name:str}/judgments"
    tags = ("learning",)

    @put()
    async def put_judgments(
        self, curating: NamedDependency[CuratingService], name: FromPath[str], data: JSONBody[CurationIn]
    ) -> Curation:
        """Judge pairs of query and item; of a pair that was judged before, the new gain counts."""
        return await curating.put(name, data.to_domain())

    @get()
    async def list_judgments(
        self,
        curating: NamedDependency[CuratingService],
        name: FromPath[str],
        words: _Query = None,
        item_id: _ItemId = None,
        cursor: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> JudgmentPage:
        """List the judgments, of a query, however it is spelt, or of an item if these are given."""
        _refuse_unstorable(words, item_id)
        after = decode_cursor(cursor, str)[0] if cursor else ""
        found = await curating.page(name, query=words, item_id=item_id, after=after, limit=limit)
        following = encode_cursor(found[-1].id) if len(found) == limit else None
        return JudgmentPage([JudgmentView.of(one) for one in found], following)

    @delete(status_code=204)
    async def delete_judgments(
        self,
        curating: NamedDependency[CuratingService],
        name: FromPath[str],
        words: _Query = None,
        item_id: _ItemId = None,
    ) -> None:
        """Take back the judgments of a query, of an item, or of both; all of them, if none is given."""
        _refuse_unstorable(words, item_id)
        await curating.delete(name, query=words, item_id=item_id)


def _refuse_unstorable(query: str | None, item_id: str | None) -> None:
    refuse_unstorable(query, "query")
    refuse_unstorable(item_id, "item_id")
