"""Experiments: two versions or rankings side by side, read as often as one likes."""

from embedding_studio.experiments.cuped import difference
from embedding_studio.experiments.drafting import Pick, Team, team_draft
from embedding_studio.experiments.moments import COLUMNS, Arms, Floats, Moments, Ratio, ratio
from embedding_studio.experiments.reading import Decision, Effect, Observed, Reading, Rules, read
from embedding_studio.experiments.sampling_check import SampleRatio, check_ratio
from embedding_studio.experiments.sequences import boundary, p_value

__all__ = [
    "COLUMNS",
    "Arms",
    "Decision",
    "Effect",
    "Floats",
    "Moments",
    "Observed",
    "Pick",
    "Ratio",
    "Reading",
    "Rules",
    "SampleRatio",
    "Team",
    "boundary",
    "check_ratio",
    "difference",
    "p_value",
    "ratio",
    "read",
    "team_draft",
]
