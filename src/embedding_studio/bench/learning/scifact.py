"""Section `scifact`: simulated users click on the train queries; what does a model gain from it on the test queries?"""

import numpy as np

from embedding_studio.bench.figures import seen
from embedding_studio.bench.judged import JudgedSet, ndcg
from embedding_studio.bench.learning.stage import Findings, Stage
from embedding_studio.bench.learning.vectors import vectors_of

__all__ = ["measure_scifact"]

_NAME = "scifact"


async def measure_scifact(stage: Stage) -> Findings:
    """How good the base is on the test queries."""
    judged = JudgedSet.read(stage.sets / _NAME)
    vectors = vectors_of(stage, judged)
    ids = [item["id"] for item in judged.items]
    best = np.argsort(-vectors.queries @ vectors.items.T, axis=1, kind="stable")[:, :10]
    values = [
        ndcg([ids[row] for row in best[number]], judged.gains[query])
        for number, query in enumerate(judged.queries)
        if judged.splits[query] == "test"
    ]
    return Findings([seen(_NAME, "base_ndcg@10", float(np.mean(values)))])
