"""Experiments: two versions or rankings side by side, read as often as one likes."""

from embedding_studio.experiments.arms import check_arm
from embedding_studio.experiments.counting import Counted, Counter, VariantCounts
from embedding_studio.experiments.cuped import difference
from embedding_studio.experiments.deciding import Decider
from embedding_studio.experiments.domain import Kind, Promote, State, Unit, Variant
from embedding_studio.experiments.drafting import Pick, Team, draft_chances, team_draft
from embedding_studio.experiments.ending import Ending
from embedding_studio.experiments.errors import (
    ExperimentEndedError,
    ExperimentNotFoundError,
    ExperimentRunsError,
    PromotionError,
)
from embedding_studio.experiments.evidence import enough, enough_preference
from embedding_studio.experiments.models import Arm, Experiment, StopRule
from embedding_studio.experiments.moments import COLUMNS, Arms, Floats, Moments, Ratio, ratio
from embedding_studio.experiments.overrides import RankingOverrides
from embedding_studio.experiments.preparing import BuildIndex, Preparation
from embedding_studio.experiments.reading import Decision, Effect, Observed, Reading, Rules, read
from embedding_studio.experiments.repository import ExperimentRepository
from embedding_studio.experiments.sampling_check import SampleRatio, check_ratio
from embedding_studio.experiments.sequences import boundary, p_value
from embedding_studio.experiments.service import ExperimentService, NewExperiment
from embedding_studio.experiments.serving import ServedArm, Trial, Trials
from embedding_studio.experiments.settings import ExperimentSettings
from embedding_studio.experiments.sizing import Sizing, size_ab, size_interleaving

__all__ = [
    "COLUMNS",
    "Arm",
    "Arms",
    "BuildIndex",
    "Counted",
    "Counter",
    "Decider",
    "Decision",
    "Effect",
    "Ending",
    "Experiment",
    "ExperimentEndedError",
    "ExperimentNotFoundError",
    "ExperimentRepository",
    "ExperimentRunsError",
    "ExperimentService",
    "ExperimentSettings",
    "Floats",
    "Kind",
    "Moments",
    "NewExperiment",
    "Observed",
    "Pick",
    "Preparation",
    "Promote",
    "PromotionError",
    "RankingOverrides",
    "Ratio",
    "Reading",
    "Rules",
    "SampleRatio",
    "ServedArm",
    "Sizing",
    "State",
    "StopRule",
    "Team",
    "Trial",
    "Trials",
    "Unit",
    "Variant",
    "VariantCounts",
    "boundary",
    "check_arm",
    "check_ratio",
    "difference",
    "draft_chances",
    "enough",
    "enough_preference",
    "p_value",
    "ratio",
    "read",
    "size_ab",
    "size_interleaving",
    "team_draft",
]
