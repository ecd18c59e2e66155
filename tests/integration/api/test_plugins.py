"""A broken plugin is listed with its reason, beside those that work."""

from pathlib import Path

import pytest

from embedding_studio.infra.shipped import shipped
from embedding_studio.sdk import find_plugins
from studio import Studio

pytestmark = pytest.mark.anyio


def names(plugins: Path) -> list[str]:
    return [path.stem for path in plugins.glob("*.py")]


async def test_the_shipped_plugins_work(studio: Studio) -> None:
    items = (await studio.client.get("/api/v1/plugins")).json()["items"]
    assert {one["name"]: (one["status"], one["detail"]) for one in items} == dict.fromkeys(
        names(shipped("plugins")), ("ok", "")
    )


async def test_a_broken_one_is_reported_and_the_rest_works(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_name: str
) -> None:
    for path in shipped("plugins").glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "broken.py").write_text("def (:\n")
    found = find_plugins(tmp_path)
    for name in ("found", "_plugins"):
        monkeypatch.setattr(studio.container.plugins, name, getattr(found, name))
    items = (await studio.client.get("/api/v1/plugins")).json()["items"]
    (broken,) = [one for one in items if one["status"] == "broken"]
    assert (broken["name"], broken["version"]) == ("broken", "")
    assert "SyntaxError" in broken["detail"]
    assert len(items) == len(names(tmp_path))
    answer = await studio.client.post("/api/v1/collections", json={"name": any_name, "plugin": "broken"})
    assert answer.status_code == 400
    assert "SyntaxError" in answer.json()["errors"][0]["message"]
    await studio.create(any_name, "text")
