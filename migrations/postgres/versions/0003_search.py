"""Search at full depth: the words of every part, kept by the database itself, and what is measured of recall."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _create_words()
    _create_keep_words()
    _create_recall()
    _index_what_is_there()


def _create_words() -> None:
    """Stems of a text; signs that hold words together are read as spaces, for PostgreSQL takes `a/b` for a path."""
    op.execute(r"""
        CREATE FUNCTION apart(content text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN translate(left(coalesce(content, ''), 100000), '/\-_@:=&?#', '          ')
    """)
    op.execute("""
        CREATE FUNCTION words(language regconfig, content text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN to_tsvector(language, apart(content))
    """)
    op.execute("""
        CREATE FUNCTION phrase(language regconfig, content text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN phraseto_tsquery(language, apart(content))
    """)


_COUNT_WORDS = """
    WITH word AS (
        SELECT c.key, w.lexeme, cardinality(w.positions) AS frequency
        FROM changed c, unnest(words(%2$L, c.text)) w
    ), part AS (SELECT key, sum(frequency)::int AS length FROM word GROUP BY key)
    INSERT INTO %1$I (term, parts, length, postings)
    SELECT lexeme, %3$s * count(*), 0, coalesce(
        string_agg(int8send(key) || int2send(frequency::int2) || int4send(part.length), NULL ORDER BY key)
            FILTER (WHERE %3$s > 0),
        %4$L::bytea
    )
    FROM word JOIN part USING (key) GROUP BY lexeme
    UNION ALL SELECT %4$L, %3$s * count(*), %3$s * sum(length), %4$L::bytea FROM part HAVING count(*) > 0
"""


def _create_keep_words() -> None:
    """Keep a terms table in step with a parts table, inside the statement that changes the parts.

    Each statement adds a row per term: how many parts it adds to those with the term (fewer than none for a deletion),
    and their postings: key (8 bytes), frequency (2), length of the part in words (4), big-endian. The empty term counts
    all parts and their lengths. Postings of deleted parts stay until rows are merged; keys are never given twice.
    """
    op.execute(f"""
        CREATE FUNCTION keep_words() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE format(
                $count${_COUNT_WORDS}$count$,
                TG_ARGV[0], TG_ARGV[1], CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END, ''
            );
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION create_terms(collection bigint, version int, language text) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
            parts text := format('parts_%s_%s', collection, version);
            terms text := format('terms_%s_%s', collection, version);
        BEGIN
            EXECUTE format(
                'CREATE TABLE %I (term text COLLATE "C" NOT NULL, parts bigint NOT NULL, length bigint NOT NULL,'
                ' postings bytea STORAGE EXTERNAL NOT NULL)', terms
            );
            EXECUTE format('CREATE INDEX ON %I (term)', terms);
            EXECUTE format(
                'CREATE TRIGGER words_in AFTER INSERT ON %I REFERENCING NEW TABLE AS changed'
                ' FOR EACH STATEMENT EXECUTE FUNCTION keep_words(%L, %L)', parts, terms, language
            );
            EXECUTE format(
                'CREATE TRIGGER words_out AFTER DELETE ON %I REFERENCING OLD TABLE AS changed'
                ' FOR EACH STATEMENT EXECUTE FUNCTION keep_words(%L, %L)', parts, terms, language
            );
        END $$
    """)


def _create_recall() -> None:
    op.execute("ALTER TABLE index_versions ADD COLUMN ef_search int CHECK (ef_search BETWEEN 1 AND 1000)")
    op.execute("ALTER TABLE index_versions ADD COLUMN trusted_depth int CHECK (trusted_depth >= 0)")
    op.execute("""
        CREATE TABLE recall (
            collection_id bigint NOT NULL,
            version int NOT NULL,
            bucket text NOT NULL,
            samples bigint NOT NULL,
            recall float8 NOT NULL,
            at_ef_search int NOT NULL,
            measured_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (collection_id, version, bucket),
            FOREIGN KEY (collection_id, version) REFERENCES index_versions ON DELETE CASCADE
        )
    """)


def _index_what_is_there() -> None:
    op.execute(f"""
        DO $$
        DECLARE one record;
        BEGIN
            FOR one IN SELECT collection_id, version FROM index_versions WHERE dropped_at IS NULL LOOP
                EXECUTE format(
                    'ALTER TABLE parts_%s_%s ADD COLUMN key bigint GENERATED ALWAYS AS IDENTITY,'
                    ' ADD UNIQUE (key) INCLUDE (item_id, part_no)',
                    one.collection_id, one.version
                );
                EXECUTE format('DROP INDEX IF EXISTS parts_%s_%s_words', one.collection_id, one.version);
                EXECUTE format('DROP INDEX IF EXISTS parts_%s_%s_hnsw', one.collection_id, one.version);
                PERFORM create_terms(one.collection_id, one.version, 'english');
                EXECUTE format(
                    'CREATE TEMP VIEW changed AS SELECT key, text FROM parts_%s_%s', one.collection_id, one.version
                );
                EXECUTE format(
                    $count${_COUNT_WORDS}$count$,
                    format('terms_%s_%s', one.collection_id, one.version), 'english', 1, ''
                );
                DROP VIEW changed;
            END LOOP;
        END $$
    """)


def downgrade() -> None:
    op.execute("DROP TABLE recall")
    op.execute("ALTER TABLE index_versions DROP COLUMN ef_search, DROP COLUMN trusted_depth")
    op.execute("""
        DO $$
        DECLARE one record;
        BEGIN
            FOR one IN SELECT collection_id, version FROM index_versions WHERE dropped_at IS NULL LOOP
                EXECUTE format('DROP TABLE terms_%s_%s', one.collection_id, one.version);
                EXECUTE format('DROP TRIGGER words_in ON parts_%s_%s', one.collection_id, one.version);
                EXECUTE format('DROP TRIGGER words_out ON parts_%s_%s', one.collection_id, one.version);
                EXECUTE format('ALTER TABLE parts_%s_%s DROP COLUMN key', one.collection_id, one.version);
            END LOOP;
        END $$
    """)
    op.execute("DROP FUNCTION create_terms, keep_words, phrase, words, apart")
