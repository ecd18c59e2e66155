"""`embedding-studio export` on a folder of plugins; no server is asked."""

import os
import subprocess
import sys
from pathlib import Path

from cross_encoder import save_cross_encoder
from embedding_studio.inference.cross import OnnxCrossEncoder
from embedding_studio.sdk import CrossEncoderRerank

NOWHERE = {
    "POSTGRES__DSN": "postgresql://nowhere/x",
    "MONGO__URL": "mongodb://nowhere/x",
    "REDIS__URL": "redis://nowhere",
}
PLUGIN = """
from embedding_studio.sdk import CrossEncoderRerank, EmbeddingPlugin, Ranking

plugin = EmbeddingPlugin(name="pairs", encoder=None, ranking=Ranking(rankers=(CrossEncoderRerank(model={model!r}),)))
"""


def test_the_command_exports_the_cross_encoders_of_plugins(tmp_path: Path) -> None:
    model = save_cross_encoder(tmp_path / "model")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "pairs.py").write_text(PLUGIN.format(model=model))
    places = {"PLUGINS": str(tmp_path / "plugins"), "INFERENCE__ENCODERS": str(tmp_path / "encoders")}
    done = subprocess.run(
        [sys.executable, "-m", "embedding_studio", "export"],
        env=os.environ | {f"EMBEDDING_STUDIO_{name}": value for name, value in (places | NOWHERE).items()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    source = CrossEncoderRerank(model=model).build()
    assert [path.name for path in (tmp_path / "encoders").iterdir()] == [source.key]
    encoder = OnnxCrossEncoder.load(tmp_path / "encoders" / source.key, threads=1)
    assert encoder.score([("a query", "a text")]).shape == (1,)
