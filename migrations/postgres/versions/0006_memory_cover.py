"""What a search reads of the click memory lies together: an index holds the rows that speak, query by query.

And a memory knows whether it has learned what was taught while another encoder served.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

_COVER = (
    "'CREATE INDEX ON %I (query_id) INCLUDE (item_id, user_id, weight, at, revision) WHERE silenced IS NULL', {clicks}"
)
_PLAIN = "'CREATE INDEX ON %I (query_id, silenced)', {clicks}"


def upgrade() -> None:
    _replace(_COVER, dropped="query_id_silenced")
    op.execute("ALTER TABLE memories ADD COLUMN is_whole boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE memories DROP COLUMN is_whole")
    _replace(_PLAIN, dropped="query_id_item_id_user_id_weight_at_revision")


def _replace(index: str, *, dropped: str) -> None:
    """Have memories made with an index, and make it for those that there are, in the place of the one dropped."""
    op.execute(_CREATE % index.format(clicks="clicks"))
    op.execute(f"""
        DO $$
        DECLARE one record; clicks text;
        BEGIN
            FOR one IN SELECT id FROM memories LOOP
                clicks := format('memory_clicks_%s', one.id);
                EXECUTE format('DROP INDEX %I', clicks || '_{dropped}_idx');
                EXECUTE format({index.format(clicks="clicks")});
            END LOOP;
        END $$
    """)


_CREATE = """
    CREATE OR REPLACE FUNCTION create_memory(memory bigint, collection bigint, dimensions int) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE
        queries text := format('memory_queries_%%s', memory);
        clicks text := format('memory_clicks_%%s', memory);
    BEGIN
        EXECUTE format(
            'CREATE TABLE %%I (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL UNIQUE,'
            ' query text NOT NULL, embedding halfvec(%%s) NOT NULL)', queries, dimensions
        );
        EXECUTE format('CREATE INDEX ON %%I USING hnsw (embedding halfvec_cosine_ops)', queries);
        EXECUTE format(
            'CREATE TABLE %%I (session_id text COLLATE "C" NOT NULL, item_id text COLLATE "C" NOT NULL'
            ' REFERENCES %%I ON DELETE CASCADE, query_id bigint NOT NULL REFERENCES %%I, user_id text COLLATE "C",'
            ' weight float8 NOT NULL CHECK (weight BETWEEN -1 AND 3), at timestamptz NOT NULL,'
            ' revision bigint NOT NULL, silenced bigint, PRIMARY KEY (session_id, item_id))',
            clicks, format('items_%%s', collection), queries
        );
        EXECUTE format(%s);
        EXECUTE format('CREATE INDEX ON %%I (query_id, item_id, user_id)', clicks);
        EXECUTE format('CREATE INDEX ON %%I (item_id, session_id)', clicks);
        EXECUTE format('CREATE INDEX ON %%I (user_id, session_id, item_id) WHERE user_id IS NOT NULL', clicks);
    END $$
"""
