"""The click memory: a pair of tables for each encoder by whose vectors of queries a collection remembers clicks."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE memories (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            collection_id bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
            encoder text NOT NULL,
            dimensions int NOT NULL,
            revision bigint NOT NULL DEFAULT 0,
            UNIQUE (collection_id, encoder, dimensions)
        )
    """)
    _create_create()
    _create_drop()


def _create_create() -> None:
    """Make the tables of a memory.

    A query is kept once, as its direction in half precision. A row is what one session says of one item; it goes with
    the item. `revision` counts the changes of the memory: a row carries that of its last change, and where another row
    speaks in its place, `silenced` says since which.
    """
    op.execute("""
        CREATE FUNCTION create_memory(memory bigint, collection bigint, dimensions int) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
            queries text := format('memory_queries_%s', memory);
            clicks text := format('memory_clicks_%s', memory);
        BEGIN
            EXECUTE format(
                'CREATE TABLE %I (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE,'
                ' query text NOT NULL, embedding halfvec(%s) NOT NULL)', queries, dimensions
            );
            EXECUTE format('CREATE INDEX ON %I USING hnsw (embedding halfvec_cosine_ops)', queries);
            EXECUTE format(
                'CREATE TABLE %I (session_id text COLLATE "C" NOT NULL, item_id text COLLATE "C" NOT NULL'
                ' REFERENCES %I ON DELETE CASCADE, query_id bigint NOT NULL REFERENCES %I, user_id text COLLATE "C",'
                ' weight float8 NOT NULL CHECK (weight BETWEEN -1 AND 3), at timestamptz NOT NULL,'
                ' revision bigint NOT NULL, silenced bigint, PRIMARY KEY (session_id, item_id))',
                clicks, format('items_%s', collection), queries
            );
            EXECUTE format('CREATE INDEX ON %I (query_id, silenced)', clicks);
            EXECUTE format('CREATE INDEX ON %I (query_id, item_id, user_id)', clicks);
            EXECUTE format('CREATE INDEX ON %I (item_id, session_id)', clicks);
            EXECUTE format('CREATE INDEX ON %I (user_id, session_id, item_id) WHERE user_id IS NOT NULL', clicks);
        END $$
    """)


def _create_drop() -> None:
    """Drop what a collection remembers; to be called before its items go, inside the transaction that drops them."""
    op.execute("""
        CREATE FUNCTION drop_memories(collection bigint) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE one record;
        BEGIN
            FOR one IN DELETE FROM memories WHERE collection_id = collection RETURNING id LOOP
                EXECUTE format('DROP TABLE memory_clicks_%s, memory_queries_%s', one.id, one.id);
            END LOOP;
        END $$
    """)


def downgrade() -> None:
    op.execute("SELECT drop_memories(id) FROM collections")
    op.execute("DROP FUNCTION drop_memories, create_memory")
    op.execute("DROP TABLE memories")
