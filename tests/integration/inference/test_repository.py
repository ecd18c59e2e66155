"""What is asked of the records of models."""

import pytest

from embedding_studio.inference import ModelRepository
from studio import Studio

from .models import register

pytestmark = [pytest.mark.anyio, pytest.mark.integration]


async def test_the_newest_of_each_collection_is_next_unless_it_was_rejected(studio: Studio) -> None:
    found = {}
    for name, decisions in {"a": ["promote", "reject"], "b": ["reject", "not_enough_evidence", "promote"]}.items():
        await studio.create(name)
        collection = await studio.container.collections.current(name)
        found[name] = [await register(studio, collection, decision) for decision in decisions]
    newest = await ModelRepository().next_at_hand()
    ours = {model.collection_id for models in found.values() for model in models}
    assert [one for one in newest if one[0] in ours] == [(found["b"][-1].collection_id, found["b"][-1].version)]
