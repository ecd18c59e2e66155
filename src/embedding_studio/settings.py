"""All settings: groups owned by the contexts, environment over `config/<env>.toml` over defaults."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from embedding_studio.inference import InferenceSettings
from embedding_studio.infra.jobs import RedisSettings
from embedding_studio.infra.mongo import MongoSettings
from embedding_studio.infra.postgres import PostgresSettings
from embedding_studio.infra.shipped import shipped
from embedding_studio.kernel.errors import FieldError, InvalidError
from embedding_studio.tasks import TaskSettings
from embedding_studio.vector_store import VectorStoreSettings

__all__ = ["ApiSettings", "LogSettings", "MlflowSettings", "Settings", "load_settings"]

PREFIX = "EMBEDDING_STUDIO_"
_NESTED = "__"
_ENVIRONMENT = f"{PREFIX}ENV"


class ApiSettings(BaseModel):
    """Where the HTTP API listens and what it takes."""

    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=0, le=65535)
    max_body: int = Field(default=64_000_000, ge=1_000, description="bytes of a request's body")
    max_requests: int = Field(default=1_000, ge=1, description="requests at a time; more are answered 503")


class MlflowSettings(BaseModel):
    """Where training runs are logged."""

    tracking_uri: str = ""
    artifacts: str = ""


class LogSettings(BaseModel):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    as_json: bool = False


class Settings(BaseSettings):
    """The root of all settings.

    A value of a group comes from the environment as `EMBEDDING_STUDIO_<GROUP>__<NAME>`.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter=_NESTED, extra="forbid")

    data_dir: Path = Path("data")
    plugins: Path = Field(default_factory=lambda: shipped("plugins"))
    api: ApiSettings = Field(default_factory=ApiSettings)
    postgres: PostgresSettings
    mongo: MongoSettings
    redis: RedisSettings
    tasks: TaskSettings = Field(default_factory=TaskSettings)
    vector_store: VectorStoreSettings = Field(default_factory=VectorStoreSettings)
    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    mlflow: MlflowSettings = Field(default_factory=MlflowSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @model_validator(mode="after")
    def _place_in_data_dir(self) -> Self:
        folder = self.data_dir.resolve()
        if "encoders" not in self.inference.model_fields_set:
            self.inference.encoders = folder / "encoders"
        self.mlflow.tracking_uri = self.mlflow.tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
        self.mlflow.artifacts = self.mlflow.artifacts or (folder / "mlruns").as_uri()
        return self

    @property
    def objects(self) -> Path:
        """The folder of stored objects."""
        return self.data_dir.resolve() / "objects"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic calls by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic calls by name
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        file = shipped("config") / f"{os.environ.get(_ENVIRONMENT, 'local')}.toml"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        InvalidError: A name is misspelt, a value is wrong or missing; names each.
    """
    unknown = [name for name in environment if name.startswith(PREFIX) and not _is_known(name)]
    if unknown:
        raise InvalidError(
            f"unknown settings in the environment: {', '.join(sorted(unknown))}",
            tuple(FieldError(name, "no such setting") for name in sorted(unknown)),
        )
    try:
        return Settings.model_validate({})
    except ValidationError as error:
        places = tuple(FieldError(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors())
        wrong = "; ".join(f"{place.field}: {place.message}" for place in places)
        raise InvalidError(f"wrong settings: {wrong}", places) from None


def _is_known(name: str) -> bool:
    if name == _ENVIRONMENT:
        return True
    fields: Mapping[str, Any] = Settings.model_fields
    path = name.removeprefix(PREFIX).lower().split(_NESTED)
    for depth, part in enumerate(path):
        if part not in fields:
            return False
        annotation = fields[part].annotation
        is_group = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if not is_group:
            return depth == len(path) - 1
        fields = annotation.model_fields
    return True
