"""Judged sets: items, queries, and what people thought of some of their pairs."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["JudgedSet"]

Gains = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """Items, queries, and what people thought of some of their pairs.

    Attributes:
        gains: By query, by item; unjudged pairs are worth nothing.
        splits: Names of splits by query, where the set has any.
    """

    name: str
    items: Sequence[dict[str, Any]]
    queries: Mapping[str, str]
    gains: Mapping[str, Gains]
    splits: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "JudgedSet":
        """Read a set; queries for which nothing was found good are left out, as no ranking does better than another."""
        gains: dict[str, dict[str, float]] = {}
        for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines():
            query, item, grade = line.split("\t")
            gains.setdefault(query, {})[item] = float(grade)
        answered = {query: of_items for query, of_items in gains.items() if max(of_items.values()) > 0}
        queries = {query["id"]: query for query in _lines(folder / "queries.jsonl.gz")}
        asked = {query: queries[query]["text"] for query in answered}
        splits = {query: queries[query]["split"] for query in answered if "split" in queries[query]}
        return cls(folder.name, _lines(folder / "items.jsonl.gz"), asked, answered, splits)


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
