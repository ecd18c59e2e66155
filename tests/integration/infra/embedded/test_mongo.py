"""MongoDB as the embedded profile sets it up."""

import os
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from embedding_studio.infra.embedded import ServerUrls, Supervisor
from embedding_studio.infra.embedded.binaries import in_wheel
from embedding_studio.infra.embedded.mongo import start_mongo
from embedding_studio.kernel.errors import UnavailableError

pytestmark = pytest.mark.integration


def test_keeps_documents(urls: ServerUrls) -> None:
    with MongoClient[dict[str, Any]](urls.mongo, serverSelectionTimeoutMS=10_000) as client:
        tasks = client.get_default_database()["tasks"]
        inserted = tasks.insert_one({"kind": "upsert"}).inserted_id

        assert tasks.find_one({"_id": inserted}) == {"_id": inserted, "kind": "upsert"}
        assert tasks.database.name == "embedding_studio"


def test_serves_this_machine_only_with_a_small_cache(urls: ServerUrls) -> None:
    with MongoClient[dict[str, Any]](urls.mongo, serverSelectionTimeoutMS=10_000) as client:
        options = client.admin.command("getCmdLineOpts")["parsed"]

    assert options["net"]["bindIp"] == "127.0.0.1"
    assert options["storage"]["wiredTiger"]["engineConfig"]["cacheSizeGB"] == 0.25
    assert options["storage"].get("journal", {"enabled": True}) == {"enabled": True}


def test_says_which_library_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = in_wheel("fiftyone", "db/bin/mongod")
    assert program
    (tmp_path / "mongod").write_bytes(program.read_bytes().replace(b"libcurl.so.4\0", b"libcurl.so.X\0"))
    (tmp_path / "mongod").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    with (
        Supervisor() as supervisor,
        pytest.raises(UnavailableError, match=r"libcurl\.so\.X(.*\n)*.*apt-get install libcurl4"),
    ):
        start_mongo(supervisor, tmp_path)


def test_says_what_installs_a_missing_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setenv("PATH", "")

    with (
        Supervisor() as supervisor,
        pytest.raises(UnavailableError, match=r"MongoDB is not installed; .*embedding-studio\[embedded\]"),
    ):
        start_mongo(supervisor, tmp_path)
