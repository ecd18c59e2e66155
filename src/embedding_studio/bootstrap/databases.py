"""What the databases hold, and how they are brought to the present schema."""

from beanie import Document

from embedding_studio.access import ApiKey, AuditEntry
from embedding_studio.clickstream import Event, IntakeDay, Session
from embedding_studio.experiments import Experiment
from embedding_studio.fine_tuning import Curated
from embedding_studio.improvement import Unlearned
from embedding_studio.inference import ModelVersion
from embedding_studio.infra.documents import migrate_documents, require_documents
from embedding_studio.infra.migrations import migrate as migrate_tables
from embedding_studio.infra.migrations import migrating_alone, present_revision, require_schema
from embedding_studio.infra.mongo import open_database
from embedding_studio.infra.outages import OUTAGES, as_unavailable
from embedding_studio.settings import Settings
from embedding_studio.shadow import MirroredSearch, Shadow
from embedding_studio.tasks import IdempotencyKey, Task

__all__ = ["DOCUMENTS", "QUEUES", "migrate", "require_migrated"]

QUEUES = ("finetune", "improve", "inference", "inference_bulk", "learn", "reindex", "upsert", "upsert_bulk")
"""All that workers take messages from."""

DOCUMENTS: tuple[type[Document], ...] = (
    Task,
    IdempotencyKey,
    Session,
    Event,
    IntakeDay,
    ModelVersion,
    Unlearned,
    Curated,
    Experiment,
    Shadow,
    MirroredSearch,
    ApiKey,
    AuditEntry,
)
"""All that MongoDB holds."""


async def migrate(settings: Settings) -> None:
    """Bring PostgreSQL, then MongoDB to the present schema; safe at any time, and beside the release before.

    Several processes at once wait for each other.

    Raises:
        ConflictError: Locks on the schema were not to be had, or another process migrates for too long.
    """
    async with migrating_alone(settings.postgres):
        await migrate_tables(settings.postgres)
        await migrate_documents(settings.mongo, DOCUMENTS)


async def require_migrated(settings: Settings) -> None:
    """See that the databases are not older than this release.

    Raises:
        ConflictError: They are; says what to run.
        UnavailableError: One does not answer.
    """
    try:
        require_schema(await present_revision(settings.postgres))
        async with open_database(settings.mongo, ()) as database:
            await require_documents(database)
    except OUTAGES as error:
        raise as_unavailable(error) from error
