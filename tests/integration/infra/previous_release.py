"""What the last release sends to PostgreSQL: its statements, as they were, and never changed after it."""

import asyncpg

__all__ = ["fill_as_before", "work_as_before"]


_COLLECTION = (
    "SELECT c.id, c.name, c.plugin, c.metric, c.options, c.created_at, c.deployment_id, v.dimensions, v.encoder,"
    " v.version, v.ef_search, v.trusted_depth, d.model_version FROM collections c"
    " JOIN deployments d ON d.id = c.deployment_id"
    " JOIN index_versions v ON v.collection_id = c.id AND v.version = d.index_version WHERE c.name = $1"
)
_LIVE = (
    "SELECT version, state, model_version, dimensions, encoder, filled_to, task_id FROM index_versions"
    " WHERE collection_id = $1 AND (state IN ('building', 'active') OR (state = 'retired' AND dropped_at IS NULL))"
)
_NEAREST = (
    "SELECT item_id, min(embedding <=> $1::text::vector) AS distance FROM parts_1_1 GROUP BY item_id ORDER BY 2, 1"
)
_WORDS = "SELECT term, sum(parts)::int AS parts FROM terms_1_1 WHERE term = ANY($1) GROUP BY term"
_REMEMBERED = (
    "SELECT c.item_id, c.weight FROM memory_queries_1 q JOIN memory_clicks_1 c ON c.query_id = q.id"
    " WHERE c.silenced IS NULL ORDER BY q.embedding <=> $1::text::halfvec LIMIT 10"
)


async def fill_as_before(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """A collection with an index, an item, and a memory of a click."""
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO collections (name, plugin, metric, options) VALUES ($1, $2, $3, '{}')",
            "shop",
            "vectors",
            "cosine",
        )
        await connection.execute(
            "INSERT INTO index_versions (collection_id, version, state, model_version, dimensions)"
            " VALUES (1, 1, 'active', 1, 2)"
        )
        await connection.execute(
            "WITH first AS (INSERT INTO deployments (collection_id, model_version, index_version) VALUES (1, 1, 1)"
            " RETURNING id) UPDATE collections SET deployment_id = (SELECT id FROM first) WHERE id = 1"
        )
        await connection.execute(
            'CREATE TABLE items_1 (id text COLLATE "C" PRIMARY KEY, payload jsonb NOT NULL, source jsonb,'
            " seq bigint NOT NULL, ordinal bigint NOT NULL DEFAULT 0, updated_at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute(
            'CREATE TABLE parts_1_1 (item_id text COLLATE "C" NOT NULL REFERENCES items_1 ON DELETE CASCADE,'
            " part_no int NOT NULL, text text, content_hash text, embedding vector(2) NOT NULL,"
            " key bigint GENERATED ALWAYS AS IDENTITY, UNIQUE (key) INCLUDE (item_id, part_no),"
            " PRIMARY KEY (item_id, part_no))"
        )
        await connection.execute("SELECT create_terms(1, 1, 'english')")
        await connection.execute("INSERT INTO memories (collection_id, encoder, dimensions) VALUES (1, 'e', 2)")
        await connection.execute("SELECT create_memory(1, 1, 2)")
        await _write(connection, "first")
        await connection.execute("INSERT INTO memory_queries_1 (key, query, embedding) VALUES ('k', 'q', '[1,0]')")
        await connection.execute(
            "INSERT INTO memory_clicks_1 (session_id, item_id, query_id, weight, at, revision)"
            " VALUES ('s', 'first', 1, 1, now(), 1)"
        )


async def work_as_before(connection: "asyncpg.Connection[asyncpg.Record]", item: str) -> None:
    """Accept an item, index it, search for it in every way, roll a deployment on, and delete it again."""
    collection = await connection.fetchrow(_COLLECTION, "shop")
    assert collection is not None
    assert [row["version"] for row in await connection.fetch(_LIVE, collection["id"])] == [1]
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO staged_tasks (task_id, collection_id, is_complete, total, waiting) VALUES ($1, 1, true, 1, 1)",
            item,
        )
        await connection.execute(
            "INSERT INTO staged_items (collection_id, task_id, ordinal, item_id, body) VALUES (1, $1, 0, $1, '\\x80')",
            item,
        )
    await _write(connection, item)
    found = {row["item_id"]: row["distance"] for row in await connection.fetch(_NEAREST, "[1, 0]")}
    assert found[item] == found["first"] == 0
    (words,) = await connection.fetch(_WORDS, ["red"])
    assert words["parts"] == len(found)
    assert [row["item_id"] for row in await connection.fetch(_REMEMBERED, "[1, 0]")] == ["first"]
    async with connection.transaction():
        await connection.execute("DELETE FROM staged_items WHERE task_id = $1", item)
        await connection.execute("UPDATE staged_tasks SET waiting = 0, finished_at = now() WHERE task_id = $1", item)
        await connection.execute("INSERT INTO deletions (collection_id, task_id, item_id) VALUES (1, $1, $1)", item)
        await connection.execute("DELETE FROM items_1 WHERE id = $1", item)
    await connection.execute(
        "WITH new AS (INSERT INTO deployments (collection_id, model_version, index_version, previous_id, task_id, note)"
        " SELECT 1, 1, 1, deployment_id, $1, 'again' FROM collections WHERE id = 1 RETURNING id)"
        " UPDATE collections SET deployment_id = (SELECT id FROM new) WHERE id = 1",
        item,
    )


async def _write(connection: "asyncpg.Connection[asyncpg.Record]", item: str) -> None:
    async with connection.transaction():
        await connection.execute("SELECT FROM collections WHERE id = 1 FOR SHARE")
        await connection.execute(
            "INSERT INTO items_1 (id, payload, seq) VALUES ($1, '{\"title\": \"red sofa\"}', nextval('acceptance'))",
            item,
        )
        await connection.execute(
            "INSERT INTO parts_1_1 (item_id, part_no, text, content_hash, embedding)"
            " VALUES ($1, 0, 'red sofa', 'hash', '[1,0]')",
            item,
        )
