"""Upsertion at full depth: tasks that stage as they load, deletions that last, and several index versions at once."""

import msgspec
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE acceptance AS bigint")
    op.execute("SELECT setval('acceptance', last_value + 1) FROM staged_items_seq_seq")
    _create_staged_tasks()
    _key_staged_items_by_task()
    _create_deletions()
    _let_index_versions_differ()


def _create_staged_tasks() -> None:
    op.execute("""
        CREATE TABLE staged_tasks (
            task_id text PRIMARY KEY,
            collection_id bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
            seq bigint NOT NULL DEFAULT nextval('acceptance'),
            total bigint NOT NULL DEFAULT 0,
            waiting bigint NOT NULL DEFAULT 0,
            is_complete boolean NOT NULL DEFAULT true,
            cursor jsonb,
            retries int NOT NULL DEFAULT 0,
            staged_at timestamptz NOT NULL DEFAULT now(),
            finished_at timestamptz
        )
    """)
    op.execute("""
        CREATE INDEX staged_tasks_open ON staged_tasks (collection_id, seq) WHERE finished_at IS NULL OR NOT is_complete
    """)
    op.execute("CREATE INDEX staged_tasks_under_way ON staged_tasks (task_id) WHERE finished_at IS NULL")
    op.execute("CREATE INDEX staged_tasks_finished ON staged_tasks (finished_at)")
    op.execute("""
        INSERT INTO staged_tasks (task_id, collection_id, seq, total, waiting)
        SELECT task_id, min(collection_id), min(seq), count(*), count(*) FILTER (WHERE failed_stage IS NULL)
        FROM staged_items GROUP BY task_id
    """)


def _key_staged_items_by_task() -> None:
    op.execute("ALTER TABLE staged_items ALTER COLUMN seq DROP IDENTITY")
    op.execute("ALTER TABLE staged_items ALTER COLUMN seq SET DEFAULT nextval('acceptance')")
    op.execute("ALTER TABLE staged_items DROP CONSTRAINT staged_items_pkey")
    op.execute("ALTER TABLE staged_items DROP CONSTRAINT staged_items_task_id_ordinal_key")
    op.execute("ALTER TABLE staged_items ALTER COLUMN ordinal TYPE bigint")
    op.execute("ALTER TABLE staged_items ADD PRIMARY KEY (task_id, ordinal)")
    op.execute("ALTER TABLE staged_items ADD FOREIGN KEY (task_id) REFERENCES staged_tasks ON DELETE CASCADE")
    op.execute("ALTER TABLE staged_items ADD COLUMN tries int NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE staged_items DROP COLUMN staged_at")
    _pack_bodies()
    op.execute("CREATE INDEX staged_items_order ON staged_items (collection_id, seq)")
    op.execute("CREATE INDEX staged_items_failed ON staged_items (task_id, ordinal) WHERE failed_stage IS NOT NULL")


def _pack_bodies() -> None:
    """What waits was JSON and is MessagePack now, which holds vectors in less than half the space."""
    connection = op.get_bind()
    keys = connection.exec_driver_sql("SELECT task_id, ordinal FROM staged_items").all()
    for key in keys:
        body = connection.exec_driver_sql(
            "SELECT body FROM staged_items WHERE task_id = $1 AND ordinal = $2", tuple(key)
        ).scalar_one()
        connection.exec_driver_sql(
            "UPDATE staged_items SET body = $3 WHERE task_id = $1 AND ordinal = $2",
            (*key, msgspec.msgpack.encode(msgspec.json.decode(body))),
        )


def _create_deletions() -> None:
    op.execute("""
        CREATE TABLE deletions (
            collection_id bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
            seq bigint NOT NULL DEFAULT nextval('acceptance'),
            task_id text,
            item_id text COLLATE "C",
            filter jsonb,
            accepted_at timestamptz NOT NULL DEFAULT now(),
            CHECK ((item_id IS NULL) <> (filter IS NULL))
        )
    """)
    op.execute("CREATE INDEX deletions_item ON deletions (collection_id, item_id)")
    op.execute("CREATE INDEX deletions_filter ON deletions (collection_id, seq) WHERE filter IS NOT NULL")
    op.execute("CREATE INDEX deletions_task ON deletions (task_id, item_id)")


def _let_index_versions_differ() -> None:
    op.execute("ALTER TABLE index_versions ADD COLUMN dimensions int CHECK (dimensions > 0)")
    op.execute("""
        UPDATE index_versions SET dimensions = c.dimensions FROM collections c WHERE c.id = index_versions.collection_id
    """)
    op.execute("ALTER TABLE index_versions ALTER COLUMN dimensions SET NOT NULL")
    op.execute("ALTER TABLE collections DROP COLUMN dimensions")
    op.execute("ALTER TABLE index_versions ADD COLUMN encoder jsonb")
    op.execute("ALTER TABLE index_versions ADD COLUMN task_id text UNIQUE")
    op.execute('ALTER TABLE index_versions ADD COLUMN filled_to text COLLATE "C"')
    op.execute("ALTER TABLE index_versions ADD COLUMN retire_at timestamptz")
    op.execute("ALTER TABLE index_versions ADD COLUMN dropped_at timestamptz")
    op.execute("""
        CREATE UNIQUE INDEX index_versions_building ON index_versions (collection_id) WHERE state = 'building'
    """)
    op.execute("""
        DO $$
        DECLARE one record;
        BEGIN
            FOR one IN SELECT collection_id, version FROM index_versions LOOP
                EXECUTE format('ALTER TABLE parts_%s_%s ADD COLUMN content_hash text', one.collection_id, one.version);
                EXECUTE format(
                    'UPDATE parts_%1$s_%2$s p SET content_hash = i.content_hash FROM items_%1$s i'
                    ' WHERE i.id = p.item_id AND p.part_no = 0',
                    one.collection_id, one.version
                );
            END LOOP;
            FOR one IN SELECT id FROM collections LOOP
                EXECUTE format(
                    'ALTER TABLE items_%s DROP COLUMN content_hash, ADD COLUMN ordinal bigint NOT NULL DEFAULT 0',
                    one.id
                );
            END LOOP;
        END $$
    """)


def downgrade() -> None:
    raise NotImplementedError("several index versions at once do not fit into the schema before")
