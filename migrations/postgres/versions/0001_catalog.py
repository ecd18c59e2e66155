"""The catalog: collections, index versions, deployments, and items that wait to be embedded."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute("""
        CREATE TABLE collections (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            name text COLLATE "C" NOT NULL UNIQUE,
            plugin text NOT NULL,
            metric text NOT NULL CHECK (metric IN ('cosine', 'dot', 'euclidean')),
            dimensions int NOT NULL CHECK (dimensions > 0),
            options jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            last_model_version int NOT NULL DEFAULT 1,
            deployment_id bigint
        )
    """)
    op.execute("""
        CREATE TABLE index_versions (
            collection_id bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
            version int NOT NULL,
            state text NOT NULL CHECK (state IN ('building', 'active', 'retired', 'failed')),
            model_version int NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (collection_id, version)
        )
    """)
    op.execute("""
        CREATE TABLE deployments (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            collection_id bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
            model_version int NOT NULL,
            index_version int NOT NULL,
            previous_id bigint REFERENCES deployments ON DELETE CASCADE,
            task_id text UNIQUE,
            note text,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX deployments_collection ON deployments (collection_id)")
    op.execute("CREATE INDEX deployments_previous ON deployments (previous_id)")
    op.execute("""
        ALTER TABLE collections ADD FOREIGN KEY (deployment_id) REFERENCES deployments
            ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
    """)
    op.execute("""
        CREATE TABLE staged_items (
            seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            collection_id bigint NOT NULL REFERENCES collections ON DELETE CASCADE,
            task_id text NOT NULL,
            ordinal int NOT NULL,
            item_id text COLLATE "C" NOT NULL,
            body bytea NOT NULL,
            failed_stage text,
            failed_reason text,
            staged_at timestamptz NOT NULL DEFAULT now(),
            UNIQUE (task_id, ordinal)
        )
    """)
    op.execute("CREATE INDEX staged_items_item ON staged_items (collection_id, item_id)")


def downgrade() -> None:
    op.execute("DROP TABLE staged_items, deployments, index_versions, collections CASCADE")
