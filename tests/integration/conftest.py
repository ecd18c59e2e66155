"""One set of real servers, and one application on them, for all integration tests."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from embedding_studio.bootstrap import migrate
from embedding_studio.inference import InferenceSettings
from embedding_studio.inference.exporting import export_missing
from embedding_studio.infra.embedded import ServerUrls
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.mongo import MongoSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.sdk import SentenceEncoder
from embedding_studio.settings import ApiSettings, Settings
from embedding_studio.shadow import ShadowSettings
from servers import embedded_servers
from studio import Studio, open_studio

_PATIENCE = (
    "access.keyring._DEADLINE",
    "access.rates._DEADLINE",
    "api.health._DEADLINE",
    "api.readings._DEADLINE",
    "experiments.serving._PATIENCE_S",
    "search.processing._PATIENCE",
    "tasks.service._SEND_WITHIN",
)
"""How long a server or a plugin is waited for before it is taken for lost."""


@pytest.fixture(scope="session", autouse=True)
def _patience() -> Iterator[None]:
    """On a busy machine they are slow, not lost; tests of lost ones say how long they wait."""
    with pytest.MonkeyPatch.context() as patch:
        for name in _PATIENCE:
            patch.setattr(f"embedding_studio.{name}", 60.0)
        yield


@pytest.fixture(scope="session")
def urls() -> Iterator[ServerUrls]:
    with embedded_servers() as urls:
        yield urls


@pytest.fixture(scope="session")
def settings(urls: ServerUrls, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    os.environ["EMBEDDING_STUDIO_ENV"] = "test"
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        postgres=PostgresSettings(
            dsn=SecretStr(urls.postgres), connect_timeout=60, acquire_timeout=60, statement_timeout=300
        ),
        mongo=MongoSettings(url=SecretStr(urls.mongo), timeout=60),
        redis=RedisSettings(url=SecretStr(urls.redis), timeout=60),
        api=ApiSettings(time_limit=600),
        inference=InferenceSettings(timeout=60, score_timeout=60),
        shadow=ShadowSettings(deadline=60),
    )


@pytest.fixture(scope="session")
def encoders(settings: Settings) -> Path:
    export_missing([SentenceEncoder().build()], settings.inference.encoders)
    return settings.inference.encoders


@pytest.fixture(scope="session")
async def studio(settings: Settings, encoders: Path) -> AsyncIterator[Studio]:
    assert encoders == settings.inference.encoders
    await migrate(settings)
    async with open_studio(settings) as studio:
        yield studio


@pytest.fixture
def any_name(request: pytest.FixtureRequest) -> str:
    """A collection name of the test's own."""
    return "t" + str(abs(hash(request.node.nodeid)))
