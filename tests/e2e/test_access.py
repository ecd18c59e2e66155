"""Keys as an operator uses them: made by the command line, sent over HTTP, seen in the audit log and in no other."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from installation import Installation, until
from servers import embedded_servers

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    plugins: Path = tmp_path_factory.mktemp("plugins")
    with embedded_servers() as urls:
        made = Installation(
            urls,
            tmp_path_factory.mktemp("access"),
            PLUGINS=plugins,
            API__HOST="0.0.0.0",
            ACCESS__REQUIRED="true",
            ACCESS__SEEN_WITHIN=0,
            LOG__LEVEL="debug",
        )
        made.run("migrate")
        yield made


def test_without_keys_the_address_is_refused(installation: Installation) -> None:
    installation.environment["EMBEDDING_STUDIO_ACCESS__REQUIRED"] = "false"
    installation.run("serve", expect=1)
    installation.environment["EMBEDDING_STUDIO_ACCESS__REQUIRED"] = "true"


def test_a_key_from_its_making_to_its_end(installation: Installation, capfd: pytest.CaptureFixture[str]) -> None:
    made = json.loads(installation.run("keys", "create", "--role", "admin", "--name", "ops", "--json"))
    with installation.serving(), httpx.Client(base_url=installation.url, timeout=30.0) as client:

        def status(key: str) -> int:
            return client.get("/api/v1/tasks", headers={"Authorization": f"Bearer {key}"}).status_code

        assert client.get("/health/live").status_code == 200
        assert client.get("/api/v1/tasks").status_code == 401
        assert status(made["key"]) == 200
        client.delete("/api/v1/collections/none", headers={"Authorization": f"Bearer {made['key']}"})
        rotated = json.loads(installation.run("keys", "rotate", made["id"], "--grace", "600", "--json"))
        until(lambda: status(rotated["key"]) == 200)
        assert status(made["key"]) == 200
        installation.run("keys", "revoke", made["id"])
        until(lambda: status(rotated["key"]) == 401)
        assert status(made["key"]) == 401
    audit = json.loads(installation.run("audit", "--json"))
    seen = [(one["action"], one["status"], one["origin"]) for one in audit]
    assert ("keys revoke", 200, "command line") in seen
    assert ("DELETE /api/v1/collections/{name}", 404, "127.0.0.1") in seen
    listed = installation.run("keys", "list", "--json")
    logged = "".join(capfd.readouterr())
    for key in (made["key"], rotated["key"]):
        assert key[20:] not in listed + logged + json.dumps(audit)
    assert made["id"] in logged
