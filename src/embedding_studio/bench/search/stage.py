"""What every section measures on: the running product, and the collection of vectors that several sections share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from embedding_studio.bench.client import BenchClient
from embedding_studio.bench.search.clusters import Clusters, Vectors
from embedding_studio.bench.search.timing import Call
from embedding_studio.bench.search.wire import Wire
from embedding_studio.infra.embedded import Supervisor
from embedding_studio.settings import Settings

__all__ = ["VECTORS", "Sizes", "Stage", "caller", "found_items", "search_path", "vector_query"]

VECTORS = "bench-vectors"
"""Name of the collection that `Stage.vectors` fills."""

_ITEMS_PER_REQUEST = 2_000
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured on.

    Attributes:
        items: Of the collections of vectors and of texts.
        million: Vectors of the section `million`.
        films: Of the section `films`; None: all.
    """

    items: int = 100_000
    million: int = 1_000_000
    films: int | None = None


@dataclass(frozen=True)
class Stage:
    """The product as it runs on this machine.

    Attributes:
        data_dir: Of the servers; what a section keeps lies there too.
        sets: Folder of the data sets.
    """

    host: str
    port: int
    data_dir: Path
    sets: Path
    sizes: Sizes
    settings: Settings
    supervisor: Supervisor
    say: Callable[[str], None]

    def client(self, collection: str) -> BenchClient:
        """A client for what is not timed."""
        return BenchClient(f"http://{self.host}:{self.port}", collection)

    def clear(self) -> None:
        """Delete what sections share."""
        if "vectors" in vars(self):
            self.client(VECTORS).delete()

    def wire(self) -> Wire:
        """A connection for what is timed."""
        return Wire(self.host, self.port)

    @cached_property
    def vectors(self) -> Clusters:
        """The vectors, once they are in the collection `VECTORS` and it has come to rest."""
        clusters = Clusters(self.sizes.items)
        client = self.client(VECTORS)
        client.create("vectors", dimensions=clusters.dimensions)
        self.say(f"Sending {clusters.count:,} vectors of {clusters.dimensions} dimensions")
        client.finish(
            [client.post_items(_body(clusters, start)) for start in range(0, clusters.count, _ITEMS_PER_REQUEST)]
        )
        self.say("Waiting for the index")
        client.settle()
        client.finish([client.optimize()])
        client.settle()
        return clusters


def search_path(collection: str) -> str:
    """Where a collection is searched."""
    return f"/api/v1/collections/{collection}/search"


def vector_query(vector: Vectors, **more: object) -> dict[str, object]:
    """The body of a search by a vector."""
    return {"query": {"vector": _numbers(vector)}, **more}


def caller(wire: Wire, requests: list[bytes]) -> Call:
    """Sends the requests over and over."""

    async def call(number: int) -> bytes:
        return await wire.send(requests[number % len(requests)])

    return call


def found_items(answer: bytes) -> list[int]:
    """Numbers of the items that a search found, best first."""
    return [int(result["id"][1:]) for result in msgspec.json.decode(answer)["results"]]


def _body(clusters: Clusters, start: int) -> bytes:
    numbers = range(start, min(start + _ITEMS_PER_REQUEST, clusters.count))
    items = [
        {"id": f"i{number}", "payload": clusters.payload(number), "vector": _numbers(clusters.vectors[number])}
        for number in numbers
    ]
    return msgspec.json.encode({"items": items})


def _numbers(vector: Vectors) -> list[float]:
    """With the decimals that they were made with: a float32 told in full has twenty."""
    numbers: list[float] = np.round(vector.astype(np.float64), _DECIMALS).tolist()
    return numbers
