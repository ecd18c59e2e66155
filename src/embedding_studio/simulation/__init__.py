"""Simulated users: worlds whose truth is planted, clicks by position, and the learning curve that comes of them."""

from embedding_studio.simulation.learning import LearningCurve, Scenario, Training
from embedding_studio.simulation.run import Options, Target, run_simulation, show
from embedding_studio.simulation.traffic import Behaviour
from embedding_studio.simulation.users import UserModel
from embedding_studio.simulation.world import read_world

__all__ = [
    "Behaviour",
    "LearningCurve",
    "Options",
    "Scenario",
    "Target",
    "Training",
    "UserModel",
    "read_world",
    "run_simulation",
    "show",
]
