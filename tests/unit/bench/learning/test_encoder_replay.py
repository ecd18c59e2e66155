import numpy as np
import pytest

from embedding_studio.bench.learning.encoder_replay import EncoderReplay, EncoderTrack
from embedding_studio.bench.learning.replay import NO_PAIRS, Replay
from embedding_studio.bench.learning.vectors import JudgedVectors
from embedding_studio.ml.sources import load_model
from embedding_studio.sdk import SentenceEncoder
from embedding_studio.simulation.judged import JudgedSet
from small_encoder import COLORS, NAMES, THINGS, save_small_encoder

ITEMS = [f"{color} {thing}" for thing in THINGS for color in COLORS]
QUERIES = {f"{word} {name}": name for name in NAMES for word in ("a", "my")}


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> EncoderReplay:
    """People call the things otherwise than the items do; half of the queries teach, the other half tests."""
    folder = tmp_path_factory.mktemp("replay")
    model = save_small_encoder(folder)
    judged = JudgedSet(
        name="things",
        items=[{"id": text} for text in ITEMS],
        queries={query: query for query in QUERIES},
        gains={
            query: {f"{color} {THINGS[NAMES.index(name)]}": 1.0 for color in COLORS} for query, name in QUERIES.items()
        },
        splits={query: "train" if query.startswith("a ") else "test" for query in QUERIES},
    )
    encoder = load_model(model)
    vectors = [
        np.asarray(encoder.encode(texts, normalize_embeddings=True), np.float32) for texts in ([*QUERIES], ITEMS)
    ]
    settings = {"epochs": 8, "batch_size": 8, "learning_rate": 1e-2, "anchor": 0.0}
    replay = Replay.of(judged, JudgedVectors(*vectors), shown=10)
    return EncoderReplay(replay, ITEMS, SentenceEncoder(model).build(), folder, settings)


@pytest.mark.parametrize("track", ["query_encoder", "both_encoders"])
def test_true_labels_teach_for_queries_that_were_not_asked(encoders: EncoderReplay, track: EncoderTrack) -> None:
    gains = encoders.gain(track, encoders.replay.all_pairs(), seed=0)
    assert gains.shape == (len(NAMES),)
    assert gains.mean() > 0.2


def test_of_a_training_nothing_is_left(encoders: EncoderReplay) -> None:
    before = sorted(encoders.work.iterdir())
    encoders.gain("query_encoder", encoders.replay.all_pairs(), seed=0)
    assert sorted(encoders.work.iterdir()) == before


def test_of_nothing_nothing_is_learnt(encoders: EncoderReplay) -> None:
    assert not encoders.gain("both_encoders", NO_PAIRS, seed=0).any()
