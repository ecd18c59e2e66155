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
from embedding_studio.inference.service import EmbeddingService, ModelService, NewModel
from embedding_studio.inference.settings import InferenceSettings

__all__ = [
    "BrokenModelError",
    "DeploymentService",
    "EmbeddingService",
    "EncoderNotReadyError",
    "Encoders",
    "InferenceSettings",
    "ModelNotFoundError",
    "ModelRepository",
    "ModelService",
    "ModelVersion",
    "NewModel",
    "NoEncoderError",
    "NothingToRollBackError",
    "OnnxEncoder",
    "OtherEncoderError",
    "QueryAdapter",
    "RefusedModelError",
]
