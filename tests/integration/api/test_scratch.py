import pytest
from studio import Studio
pytestmark = pytest.mark.anyio
async def test_probe(studio: Studio):
    await studio.create("probe")
    for body in ({"since": "0001-01-01T00:00:00+14:00"}, {"until": "9999-12-31T23:59:59-14:00"}, {"base_version": 10**30}, {"base_version": 2**31}, {"track": "magic"}, {"params": {"rank": 10**40}}, {"params": {"learning_rate": 1e-320}}, {"x": 1}):
        a = await studio.client.post("/api/v1/collections/probe/fine-tuning", json=body)
        print(body, a.status_code, a.text[:160])
    for m, p in (("DELETE", "/api/v1/users/%FF"), ("GET", "/schema"), ("GET", "/schema/openapi.json"), ("HEAD", "/health/live"), ("OPTIONS", "/api/v1/collections"), ("GET", "/api/v1/collections/"), ("GET", "/api/v1/collections/probe/items/"), ("PUT", "/api/v1/collections/probe/items/"), ("GET", "//"), ("GET", "/api/v1/tasks?state=pending&state=failed"), ("GET", "/api/v1/tasks?limit="), ("GET", "/api/v1/tasks?foo=1"), ("GET", "/api/v1/collections?cursor="), ("POST", "/api/v1/collections/probe/rollback"), ("GET", "/api/v1/collections/probe/items/a/../b")):
        a = await studio.client.request(m, p)
        print(m, p, a.status_code, a.headers.get("content-type"), a.text[:120].replace("\n", " "))
    a = await studio.client.post("/api/v1/collections/probe/items?wait=maybe", json={"items": [{"id": "a", "payload": {"title": "x"}}]})
    print(a.status_code, a.text[:200])
