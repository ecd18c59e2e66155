"""Index versions that somebody still needs are kept, and kept in step, whatever serves."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE index_holds (
            collection_id bigint NOT NULL,
            version int NOT NULL,
            holder text NOT NULL,
            PRIMARY KEY (collection_id, version, holder),
            FOREIGN KEY (collection_id, version) REFERENCES index_versions ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX index_holds_holder ON index_holds (holder text_pattern_ops)")


def downgrade() -> None:
    op.execute("DROP TABLE index_holds")
