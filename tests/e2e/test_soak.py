"""The soak as `bench soak` runs it, for some seconds: nothing of it is lost, and every figure is there."""

import os
from pathlib import Path
from unittest import mock

import pytest

from embedding_studio.bench.soak import Rates, bench_soak

pytestmark = pytest.mark.e2e


def test_nothing_is_lost_while_all_happens_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedding_studio.bench.watching._EVERY_S", 0.5)  # so that each quarter has a look
    with mock.patch.dict(os.environ):
        figures = bench_soak(tmp_path, minutes=0.3, items=200, rates=Rates(searches=10, writes=1), say=lambda _: None)
    found = {f"{one.section}.{one.name}": one for one in figures}
    for name in ("searches", "clicks", "writes", "reindexes"):
        assert found[f"soak.{name}"].measured > 0
    for name in ("failed_searches", "other_failures", "lost_clicks", "lost_writes"):
        assert found[f"soak.{name}"].ok, found[f"soak.{name}"]
    for process in ("api", "upsert_worker", "improve_worker", "inference_worker", "finetune_worker"):
        assert found[f"{process}.memory"].measured > 0
