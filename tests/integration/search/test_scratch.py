import asyncio, pytest
from studio import Studio
pytestmark = pytest.mark.anyio

async def test_big_words(studio: Studio):
    await studio.create("scr", "vectors", options={"dimensions": 2})
    words = " ".join(f"w{i:07d}x" for i in range(200_000))
    a = await studio.client.put("/api/v1/collections/scr/items/big", json={"payload": {"title": words}, "vector": [1, 2]})
    print(a.status_code, a.text[:100])
    a = await studio.client.put("/api/v1/collections/scr/items/small", json={"payload": {"title": "apple"}, "vector": [1, 2]})
    a = await studio.client.post("/api/v1/collections/scr/search", json={"query": "apple"})
    print("lexical", a.status_code, a.text[:200])

async def test_many_words(studio: Studio):
    await studio.create("scr2", "vectors", options={"dimensions": 2})
    await studio.client.put("/api/v1/collections/scr2/items/small", json={"payload": {"title": "apple"}, "vector": [1, 2]})
    for q in (" ".join(chr(0x4e00+i) for i in range(5000)), "a'b\\c & | ! ( ) :* <-> "*100, "-"*10000, "a-"*5000, "x"*10000, "a/b."*2500, "(" * 10000, "'"*9999):
        a = await studio.client.post("/api/v1/collections/scr2/search", json={"query": q})
        print("many", q[:5], a.status_code, a.text[:200])

async def test_metrics(studio: Studio):
    for i in range(3):
        await studio.client.get(f"/nowhere/{i}")
        await studio.client.get(f"/api/v1/collections/nope{i}")
        await studio.client.request(f"FOO{i}", f"/api/v1/collections/nope{i}")
    a = await studio.client.get("/metrics")
    print([l for l in a.text.splitlines() if "nowhere" in l or "nope" in l or "FOO" in l][:10], a.text[:500])

async def test_delete_race(studio: Studio):
    await studio.create("scr3", "vectors", options={"dimensions": 2})
    await studio.client.put("/api/v1/collections/scr3/items/small", json={"payload": {"title": "apple"}, "vector": [1, 2]})
    res = []
    async def hammer(kind):
        for n in range(60):
            if kind == "search": a = await studio.client.post("/api/v1/collections/scr3/search", json={"query": {"vector": [1, 2]}})
            elif kind == "put": a = await studio.client.put(f"/api/v1/collections/scr3/items/i{n%5}", json={"payload": {"title": f"apple {n}"}, "vector": [1, n]})
            elif kind == "post": a = await studio.client.post(f"/api/v1/collections/scr3/items", json={"items": [{"id": "a", "payload": {"title": f"apple {n}"}, "vector": [1, n]}]})
            elif kind == "get": a = await studio.client.get(f"/api/v1/collections/scr3")
            elif kind == "list": a = await studio.client.get(f"/api/v1/collections")
            elif kind == "del": a = await studio.client.delete(f"/api/v1/collections/scr3/items/i{n%5}")
            res.append((kind, a.status_code, a.text[:90] if a.status_code >= 500 else ""))
    async def kill():
        for _ in range(12):
            await asyncio.sleep(0.05)
            a = await studio.client.delete("/api/v1/collections/scr3"); res.append(("kill", a.status_code, a.text[:100]))
            await asyncio.sleep(0.03)
            a = await studio.client.post("/api/v1/collections", json={"name": "scr3", "plugin": "vectors", "options": {"dimensions": 2}}); res.append(("make", a.status_code, a.text[:100] if a.status_code>=400 else ""))
    await asyncio.gather(*map(hammer, ["search", "put", "post", "get", "list", "del"]), kill())
    from collections import Counter
    for k, v in sorted(Counter(res).items()): print(k, v)
