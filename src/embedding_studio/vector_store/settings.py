"""How vectors are indexed and searched."""

from pydantic import BaseModel, Field

__all__ = ["VectorStoreSettings"]


class VectorStoreSettings(BaseModel):
    """Sizes in items; the defaults suit one machine."""

    exact_below: int = Field(
        default=10_000,
        ge=0,
        le=1_000_000,
        description="up to so many matching items are compared one by one, which is exact; also where counting stops",
    )
    index_from: int = Field(default=2_000, ge=0, description="an HNSW index is built from so many parts on")
    index_grace: float = Field(
        default=3600.0, ge=0, description="seconds a superseded index is kept in step, so that a rollback is instant"
    )
    seen_within: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="seconds until every process sees a new deployment",
    )
