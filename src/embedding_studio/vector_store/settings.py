"""How vectors are indexed and searched."""

from pydantic import BaseModel, Field

__all__ = ["VectorStoreSettings"]


class VectorStoreSettings(BaseModel):
    """Sizes in items; the defaults suit one machine."""

    exact_below: int = Field(
        default=5_000,
        ge=0,
        le=1_000_000,
        description="up to so many matching items are compared one by one, which is exact; also where counting stops",
    )
    index_from: int = Field(default=2_000, ge=0, description="an HNSW index is built from so many parts on")
    build_memory: int = Field(default=2_048, ge=64, description="megabytes that building an index may take at most")
    build_workers: int = Field(default=2, ge=0, le=64, description="processes that help to build an index")
    build_timeout: float = Field(default=4 * 3600.0, gt=0, description="seconds")
    recall_share: float = Field(default=0.01, ge=0, le=1, description="of the searches that are repeated exactly")
    recall_every: float = Field(default=5.0, ge=0, description="seconds between two such, at least")
    recall_target: float = Field(default=0.95, ge=0, le=1, description="below it searches look further")
    recall_budget: float = Field(default=0.05, gt=0, description="seconds a search may take because of that")
    index_grace: float = Field(
        default=3600.0, ge=0, description="seconds a superseded index is kept in step, so that a rollback is instant"
    )
    seen_within: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="seconds until every process sees a new deployment",
    )
