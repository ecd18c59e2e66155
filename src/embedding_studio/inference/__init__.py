"""Texts to vectors, model versions, and which of them serves."""

from embedding_studio.inference.adapter import QueryAdapter
from embedding_studio.inference.deployment import DeploymentService
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
from embedding_studio.inference.models import ModelVersion
from embedding_studio.inference.onnx import OnnxEncoder
from embedding_studio.inference.repository import ModelRepository
from embedding_studio.inference.service import EmbeddingService, ModelService, NewEncoder, NewModel, ServedModel
from embedding_studio.inference.settings import InferenceSettings
from embedding_studio.inference.trained import WEIGHTS, Fetcher, is_trained

__all__ = [
    "WEIGHTS",
    "BrokenModelError",
    "DeploymentService",
    "EmbeddingService",
    "EncoderNotReadyError",
    "Encoders",
    "Fetcher",
    "InferenceSettings",
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
    "is_trained",
]
