"""Short form of `bench learning --only scifact_encoders`, with an encoder of random weights."""

import asyncio
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from embedding_studio.bench.learning.scifact_encoders import measure_scifact_encoders
from embedding_studio.bench.learning.stage import Stage
from small_encoder import COLORS, NAMES, THINGS, save_small_encoder


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(f"{json.dumps(row)}\n" for row in rows)


def judged(folder: Path) -> None:
    """People call the things otherwise than the items do."""
    folder.mkdir(parents=True)
    items = [f"{color} {thing}" for thing in THINGS for color in COLORS]
    queries = [f"{word} {name}" for name in NAMES for word in ("a", "my")]
    write(folder / "items.jsonl.gz", ({"id": item, "payload": {"title": item, "text": "a"}} for item in items))
    splits = ("train" if query.startswith("a") else "test" for query in queries)
    write(
        folder / "queries.jsonl.gz",
        ({"id": query, "text": query, "split": split} for query, split in zip(queries, splits, strict=True)),
    )
    qrels = (
        f"{query}\t{color} {THINGS[NAMES.index(query.split()[1])]}\t1\n" for query in queries for color in COLORS[:2]
    )
    (folder / "qrels.tsv").write_text("".join(qrels), encoding="utf-8")


def test_every_track_stands_beside_both_ceilings(tmp_path: Path) -> None:
    judged(tmp_path / "sets" / "scifact")
    stage = Stage(tmp_path, tmp_path / "sets", lambda _text: None, save_small_encoder(tmp_path / "model"))
    findings = asyncio.run(measure_scifact_encoders(stage))
    notes = {figure.name: figure.note for figure in findings.figures}
    tracks = ("query_adapter", "query_encoder", "both_encoders")
    labels = ("judgments", "ceiling_shown", "ceiling_all")
    assert set(notes) == {"base_ndcg@10", *(f"{track}_{name}_gain" for track in tracks for name in labels)}
    assert all(f"; {2 * len(NAMES)} pairs," in notes[f"{track}_ceiling_all_gain"] for track in tracks)
    (chart,) = findings.charts
    assert {name: len(estimates) for name, estimates in chart.series.items()} == dict.fromkeys(tracks, len(labels))
