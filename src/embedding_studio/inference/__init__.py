"""Texts to vectors, model versions, and which of them serves."""

from embedding_studio.inference.adapter import QueryAdapter
from embedding_studio.inference.deployment import BeforeSwitch, DeploymentService
from embedding_studio.inference.embeddings import EmbeddingService
from embedding_studio.inference.encoders import Encoders
from embedding_studio.inference.errors import (
    BrokenModelError,
    EncoderNotReadyError,
    ModelNotFoundError,
    NoEncoderError,
    NothingToRollBackError,
    OtherEncoderError,
    RefusedModelError,
)
from embedding_studio.inference.fetching import Fetcher
from embedding_studio.inference.keeping import ModelKeeper
from embedding_studio.inference.models import ModelVersion
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.opening import open_encoders
from embedding_studio.inference.repository import ModelRepository
from embedding_studio.inference.service import ModelService, NewEncoder, NewModel, ServedModel
from embedding_studio.inference.settings import InferenceSettings, TritonSettings
from embedding_studio.inference.trained import WEIGHTS, is_trained

__all__ = [
    "WEIGHTS",
    "BeforeSwitch",
    "BrokenModelError",
    "DeploymentService",
    "EmbeddingService",
    "EncoderNotReadyError",
    "Encoders",
    "Fetcher",
    "InferenceSettings",
    "ModelKeeper",
    "ModelNotFoundError",
    "ModelRepository",
    "ModelService",
    "ModelVersion",
    "NewEncoder",
    "NewModel",
    "NoEncoderError",
    "NothingToRollBackError",
    "OnnxEncoder",
    "OtherEncoderError",
    "QueryAdapter",
    "RefusedModelError",
    "ServedModel",
    "TritonSettings",
    "is_trained",
    "open_encoders",
]
