"""Section `texts`: searches in words on 100,000 short real texts, beside the bare encoder and the bare query."""

import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from embedding_studio.bench.figures import Figure, at_most, seen
from embedding_studio.bench.search.encoding import bare_encoder, encode_call
from embedding_studio.bench.search.floor import bare_call, bare_queries
from embedding_studio.bench.search.stage import Stage, caller, search_path
from embedding_studio.bench.search.timing import by_turns
from embedding_studio.bench.search.wire import post
from embedding_studio.demo.catalog import Film, load_films
from embedding_studio.demo.queries import compose_queries
from embedding_studio.sdk import find_plugins

__all__ = ["measure_texts", "short_texts"]

_NAME = "text"
_COLLECTION = "bench-text"
_QUERIES = 400
_OVERHEAD_MS = 1.5
_HYBRID_TIMES = 2.0
_TRACKING = 1.05
_TURNS = 4


async def measure_texts(stage: Stage) -> list[Figure]:
    """Times of tracked searches in every mode, and of untracked ones in the usual mode."""
    films = load_films()
    seconds, count = _fill(stage, list(islice(short_texts(films), stage.sizes.items)))
    queries = [query.text for query in compose_queries(films)][:_QUERIES]
    stage.say(f"Searching {len(queries)} times in every mode, by vector in turns with the encoder and the bare query")
    plugin = find_plugins(stage.settings.plugins).get("text")
    encoder = bare_encoder(stage.settings, plugin, threads=stage.settings.inference.threads)
    vectors = encoder.encode(queries, "query")
    wire = stage.wire()
    plain, both, words = (caller(wire, _in_mode(queries, mode)) for mode in ("vector", "hybrid", "lexical"))
    unseen = caller(wire, _in_mode(queries, "hybrid", track=False))
    async with bare_queries(stage.settings, _COLLECTION, vectors[0], count=1) as (statement,):
        floors = [encode_call(encoder, queries), bare_call(statement, vectors)]
        encode, bare, vector = await by_turns([*floors, plain], len(queries))
        hybrid, untracked = await by_turns([both, unseen], _TURNS * len(queries))
        (lexical,) = await by_turns([words], len(queries))
    wire.close()
    stage.client(_COLLECTION).delete()
    floor = encode.p50 + bare.p50 + _OVERHEAD_MS
    return [
        seen(_NAME, "encode_p50", encode.p50, "ms"),
        seen(_NAME, "bare_p50", bare.p50, "ms"),
        at_most(_NAME, "vector_p50", vector.p50, floor, unit="ms", floor=encode.p50 + bare.p50),
        seen(_NAME, "vector_p99", vector.p99, "ms", floor=encode.p99 + bare.p99),
        at_most(_NAME, "hybrid_p50", hybrid.p50, _HYBRID_TIMES * floor, unit="ms", floor=encode.p50 + bare.p50),
        at_most(_NAME, "tracked_hybrid_p50", hybrid.p50, _TRACKING * untracked.p50, unit="ms", floor=untracked.p50),
        seen(_NAME, "hybrid_p99", hybrid.p99, "ms", floor=encode.p99 + bare.p99),
        seen(_NAME, "lexical_p50", lexical.p50, "ms"),
        seen(_NAME, "ingest", count / seconds, "/s"),
    ]


def short_texts(films: Sequence[Film]) -> Iterator[str]:
    """Distinct texts of a few words each: one fact about each film, then the next fact, at last each person's part."""
    told = set[str]()
    facts = chain.from_iterable(zip(*map(_facts, films), strict=True))
    parts = (f"{name} in {_named(film)}" for film in films for name in film.cast)
    for text in chain(facts, parts):
        if text not in told:
            told.add(text)
            yield text


def _facts(film: Film) -> list[str]:
    """Six texts; one that nothing is known for repeats the first."""
    name = _named(film)
    return [
        name,
        f"{', '.join(film.genres)}: {name}" if film.genres else name,
        f"{name}, with {', '.join(film.cast[:3])}" if film.cast else name,
        f"{name}, directed by {', '.join(film.directors)}" if film.directors else name,
        f"{name}, written by {', '.join(film.writers[:3])}" if film.writers else name,
        f"{name}, {', '.join(film.languages)}, from {', '.join(film.countries)}" if film.countries else name,
    ]


def _named(film: Film) -> str:
    return f"{film.title} ({film.year})"


def _fill(stage: Stage, texts: Sequence[str]) -> tuple[float, int]:
    client = stage.client(_COLLECTION)
    client.create("text")
    stage.say(f"Sending {len(texts):,} texts")
    started = time.perf_counter()
    client.send([{"id": f"i{number}", "payload": {"title": text}} for number, text in enumerate(texts)])
    seconds = time.perf_counter() - started
    stage.say("Waiting for the indexes")
    client.settle()
    client.finish([client.optimize()])
    return seconds, len(texts)


def _in_mode(queries: Sequence[str], mode: str, *, track: bool = True) -> list[bytes]:
    return [post(search_path(_COLLECTION), {"query": query, "mode": mode, "track": track}) for query in queries]
