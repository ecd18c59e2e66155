"""What filters read in a payload, as functions that indexes on declared fields may use."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _create_scalars()
    _create_order()
    _create_words()


def _create_scalars() -> None:
    """A value as what it is declared to be, or null; short enough for an index in any case."""
    op.execute("""
        CREATE FUNCTION payload_number(value jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE WHEN jsonb_typeof(value) = 'number' THEN value::numeric END
    """)
    op.execute("""
        CREATE FUNCTION payload_start(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE WHEN jsonb_typeof(value) = 'string' THEN left(value #>> '{}', 64) END
    """)
    op.execute(r"""
        CREATE FUNCTION payload_time(value jsonb) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
        DECLARE moment text := value #>> '{}';
        BEGIN
            IF jsonb_typeof(value) = 'string' AND moment ~
                '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$'
            THEN
                moment := regexp_replace(moment, '(\.[0-9]{6})[0-9]+', '\1');
                IF pg_input_is_valid(moment, 'timestamptz') THEN
                    RETURN moment::timestamptz;
                END IF;
            END IF;
            RETURN NULL;
        END $$
    """)


def _create_order() -> None:
    """A value as lists are sorted by it, short enough for a cursor: all of a number, the start of a long text.

    It is written in immutable functions only, or else PostgreSQL would call it instead of putting it in place.
    """
    op.execute("""
        CREATE FUNCTION payload_order(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE
            WHEN jsonb_typeof(value) = 'number' THEN value
            WHEN length(value::text) > 350 THEN jsonb_object(ARRAY['start', left(value #>> '{}', 350)]) -> 'start'
            ELSE NULLIF(value, 'null')
        END
    """)


def _create_words() -> None:
    """The words of all strings in a value; a slash between two words parts them, which PostgreSQL takes for a path.

    A tsvector has a megabyte at most: of a long value, the strings' first 100,000 characters count.
    """
    op.execute(r"""
        CREATE FUNCTION payload_words(language regconfig, value jsonb) RETURNS tsvector
        LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN CASE WHEN length(value::text) <= 100000
            THEN json_to_tsvector(
                language, regexp_replace(value::text, '(?<=[^\s<"])/(?=[^\s>"])', ' ', 'g')::json, '["string"]'
            )
            ELSE to_tsvector(
                language,
                left(jsonb_path_query_array(value, 'strict $.** ? (@.type() == "string")')::text, 100000)
            )
        END
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION payload_words, payload_order, payload_time, payload_start, payload_number CASCADE")
