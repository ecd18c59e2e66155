"""`embedding-studio ingest` as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.e2e


def ingest(api: httpx.Client, *words: str) -> "subprocess.CompletedProcess[str]":
    url = str(api.base_url).rstrip("/")
    command = [sys.executable, "-m", "embedding_studio", "ingest", "shelf", "--url", url, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_what_a_loader_reads_is_searchable_and_what_failed_is_told(api: httpx.Client, goods: Path) -> None:
    assert api.post("/api/v1/collections", json={"name": "shelf", "plugin": "goods"}).status_code == 201
    lines = [json.dumps({"id": f"i{number}", "title": f"shelf {number}"}) for number in range(300)]
    (goods / "good.jsonl").write_text("\n".join(lines))
    (goods / "odd.jsonl").write_text('{"id": "odd", "title": "odd shelf"}\n[broken/]\n')

    good = ingest(api, "--loader", "files", "--option", "prefix=good", "--json")
    assert good.returncode == 0, good.stderr
    task = json.loads(good.stdout)
    assert (task["state"], task["progress"]) == ("succeeded", {"done": 300, "total": 300})
    assert api.get("/api/v1/collections/shelf").json()["items"] == 300

    odd = ingest(api, "--loader", "files", "--option", "prefix=odd")
    assert odd.returncode == 1
    assert "odd.jsonl:2: load:" in odd.stderr
    assert "/retry" in odd.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--loader", "none"), "there are: files"),
        (("--loader", "files", "--option", "prefix"), "must be name=value"),
        (("--loader", "files", "--option", "root=/"), "options.root"),
    ],
)
def test_a_wrong_wish_is_refused_in_one_line(api: httpx.Client, words: tuple[str, ...], complaint: str) -> None:
    answer = ingest(api, *words)
    assert answer.returncode == 1
    assert complaint in answer.stderr
    assert "Traceback" not in answer.stderr
