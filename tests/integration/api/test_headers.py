"""What browsers are told, and which pages may ask."""

import re

import httpx
import pytest

from doors import client_of, guarded_app, new_key
from embedding_studio.api.page import PAGE_POLICY
from embedding_studio.settings import Settings
from studio import Studio

pytestmark = pytest.mark.anyio

SHOP = "https://shop.example.org"
OTHER = "https://other.example.org"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/tasks", "/nothing", "/schema/openapi.json", "/metrics"])
async def test_every_answer_has_them_once(studio: Studio, path: str) -> None:
    async with client_of(guarded_app(studio)) as door:
        answer = await door.get(path)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("x-frame-options") == ["DENY"]
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    assert answer.headers.get_list("content-security-policy") == ["default-src 'none'; frame-ancestors 'none'"]
    assert "strict-transport-security" not in answer.headers


async def test_tls_is_insisted_on_where_the_settings_say_so(studio: Studio) -> None:
    async with client_of(guarded_app(studio, hsts=31_536_000)) as door:
        assert (await door.get("/health/live")).headers["strict-transport-security"] == "max-age=31536000"


async def test_the_page_works_under_its_policy_which_lets_nothing_else_in(studio: Studio) -> None:
    async with client_of(guarded_app(studio)) as door:
        answer = await door.get("/schema")
        assert (await door.get("/schema/openapi.json")).json()["components"]["securitySchemes"]["key"]
    assert answer.headers["content-security-policy"] == PAGE_POLICY
    sources = re.findall(r'(?:src|href)="(https:[^"]+)" integrity="sha384-[\w+/=]{64}" crossorigin', answer.text)
    assert len(sources) == 2
    assert all(source in PAGE_POLICY for source in sources)
    assert sources == re.findall(r'="(https:[^"]+)"', answer.text)
    assert "unsafe-eval" not in PAGE_POLICY


def cors(answer: httpx.Response) -> str | None:
    allowed: str | None = answer.headers.get("access-control-allow-origin")
    return allowed


async def test_no_page_may_ask_unless_the_settings_say_so(studio: Studio) -> None:
    async with client_of(guarded_app(studio), headers={"Origin": SHOP}) as door:
        assert cors(await door.get("/health/live")) is None
        preflight = await door.options("/api/v1/events", headers=PREFLIGHT)
        assert (preflight.status_code, cors(preflight)) == (401, None)


async def test_a_page_that_is_let_in_asks_with_its_key(studio: Studio) -> None:
    key = await new_key(studio, "search")
    async with client_of(guarded_app(studio, cors_origins=[SHOP])) as door:
        allowed = await door.options("/api/v1/events", headers={**PREFLIGHT, "Origin": SHOP})
        assert (allowed.status_code, cors(allowed)) == (204, SHOP)
        assert "access-control-allow-credentials" not in allowed.headers
        for origin in (OTHER, "null", f"{SHOP}.evil.example", SHOP.replace("https", "http")):
            assert cors(await door.options("/api/v1/events", headers={**PREFLIGHT, "Origin": origin})) is None
        asked = await door.post("/api/v1/events", json={}, headers={**key, "Origin": SHOP})
        assert (asked.status_code, cors(asked)) == (400, SHOP)
        refused = await door.post("/api/v1/events", json={}, headers={"Origin": SHOP})
        assert (refused.status_code, cors(refused)) == (401, SHOP)


@pytest.mark.parametrize(
    "origin", ["shop.example.org", "https://shop.example.org/", "https://*.example.org", "", "null"]
)
def test_what_is_no_origin_is_refused_at_start(settings: Settings, origin: str) -> None:
    with pytest.raises(ValueError, match="cors_origins"):
        type(settings.api).model_validate({"cors_origins": [origin]})


def test_pages_are_let_in_only_where_keys_are_required(settings: Settings) -> None:
    stores = {"postgres": settings.postgres, "mongo": settings.mongo, "redis": settings.redis}
    with pytest.raises(ValueError, match=r"needs access\.required"):
        Settings.model_validate({**stores, "api": {"cors_origins": [SHOP]}})
    Settings.model_validate({**stores, "api": {"cors_origins": [SHOP]}, "access": {"required": True}})
