"""Experiments on the wire."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from embedding_studio.experiments.counting import Counted, VariantCounts
from embedding_studio.experiments.domain import Kind, Promote, State, Unit, Variant
from embedding_studio.experiments.models import Arm, Experiment, StopRule
from embedding_studio.experiments.overrides import RankingOverrides
from embedding_studio.experiments.reading import Effect
from embedding_studio.experiments.service import NewExperiment
from embedding_studio.kernel.errors import InvalidError
from embedding_studio.kernel.storable import refuse_unstorable

__all__ = [
    "ArmIn",
    "ArmView",
    "EffectView",
    "ExcludedView",
    "ExperimentIn",
    "ExperimentPage",
    "ExperimentRow",
    "ExperimentView",
    "SampleRatioView",
    "StopIn",
    "StopRuleIn",
    "StopRuleView",
]

_MOST_SESSIONS = 1_000_000
_Sessions = Annotated[int, msgspec.Meta(ge=1, le=_MOST_SESSIONS)]


class ArmIn(msgspec.Struct, forbid_unknown_fields=True):
    """What one side serves."""

    model_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    ranking: RankingOverrides = RankingOverrides()

    def to_domain(self) -> Arm:
        """The arm as it is kept."""
        return Arm(model_version=self.model_version, ranking=msgspec.to_builtins(self.ranking))


class StopRuleIn(msgspec.Struct, forbid_unknown_fields=True):
    """When it ends."""

    max_sessions: _Sessions | None = None
    min_sessions: Annotated[int, msgspec.Meta(ge=0, le=_MOST_SESSIONS)] = 0
    alpha: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.05

    def to_domain(self) -> StopRule:
        """The rule as it is kept.

        Raises:
            InvalidError: It would end before anything could be decided.
        """
        if self.max_sessions is not None and self.max_sessions < self.min_sessions:
            raise InvalidError.at("stop.max_sessions", "must be at least `min_sessions`")
        return StopRule(max_sessions=self.max_sessions, min_sessions=self.min_sessions, alpha=self.alpha)


class ExperimentIn(msgspec.Struct, forbid_unknown_fields=True):
    """A wish for an experiment."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    kind: Kind
    control: ArmIn
    treatment: ArmIn
    traffic: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    unit: Unit = "user"
    stop: StopRuleIn = msgspec.field(default_factory=StopRuleIn)
    promote: Promote = "never"

    def to_domain(self) -> NewExperiment:
        """The wish as the service takes it.

        Raises:
            InvalidError: Names the place that is wrong.
        """
        refuse_unstorable(self.name, "name")
        return NewExperiment(
            name=self.name,
            kind=self.kind,
            control=self.control.to_domain(),
            treatment=self.treatment.to_domain(),
            traffic=self.traffic,
            unit=self.unit,
            stop=self.stop.to_domain(),
            promote=self.promote,
        )


class StopIn(msgspec.Struct, forbid_unknown_fields=True):
    """A wish to stop, and to deploy an arm."""

    promote: Variant | None = None


class ArmView(msgspec.Struct):
    """What one side serves."""

    model_version: int
    ranking: dict[str, Any]

    @classmethod
    def of(cls, arm: Arm) -> "ArmView":
        """The arm as clients see it."""
        return cls(arm.model_version, arm.ranking)


class StopRuleView(msgspec.Struct):
    """When it ends."""

    max_sessions: int | None
    min_sessions: int
    alpha: float


class ExperimentRow(msgspec.Struct):
    """An experiment, without what was counted."""

    id: str
    collection: str
    name: str
    kind: Kind
    control: ArmView
    treatment: ArmView
    traffic: float
    unit: Unit
    stop: StopRuleView
    promote: Promote
    state: State
    decision: Variant | None
    reason: str | None
    build_task_id: str | None
    promoted: Variant | None
    task_id: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, experiment: Experiment) -> "ExperimentRow":
        """The document as clients see it; `task_id` deploys what is promoted."""
        taken = (
            "id", "collection", "name", "kind", "traffic", "unit", "promote", "state", "decision", "reason",
            "promoted", "created_at", "started_at", "ended_at",
        )  # fmt: skip
        return cls(
            **{name: getattr(experiment, name) for name in taken},
            control=ArmView.of(experiment.control),
            treatment=ArmView.of(experiment.treatment),
            stop=StopRuleView(**experiment.stop.model_dump()),
            build_task_id=experiment.build_task,
            task_id=experiment.deploy_task,
        )


class EffectView(msgspec.Struct):
    """How much more the treatment has of a metric than the control."""

    metric: str
    estimate: float
    ci95: tuple[float, float]
    p_value: float
    anytime_valid: bool

    @classmethod
    def of(cls, effect: Effect) -> "EffectView":
        """The effect as clients see it."""
        return cls(effect.metric, effect.estimate, effect.ci95, effect.p_value, effect.anytime_valid)


class SampleRatioView(msgspec.Struct):
    """Whether the arms are as large as chance would make them."""

    ok: bool
    p_value: float


class ExcludedView(msgspec.Struct):
    """Sessions that are not counted."""

    irrelevant: int
    bots: int


class ExperimentView(ExperimentRow):
    """An experiment with what was counted of it until now; `waiting` says why nothing is decided yet."""

    sessions: int
    variants: tuple[VariantCounts, ...]
    effect: EffectView | None
    sample_ratio: SampleRatioView
    secondary: list[EffectView]
    breached: tuple[str, ...]
    excluded: ExcludedView
    waiting: str | None

    @classmethod
    def counted(cls, experiment: Experiment, counted: Counted) -> "ExperimentView":
        """The document and its reading as clients see them."""
        row, reading = ExperimentRow.of(experiment), counted.reading
        return cls(
            **{name: getattr(row, name) for name in row.__struct_fields__},
            sessions=counted.sessions,
            variants=counted.variants,
            effect=EffectView.of(reading.effect) if reading.effect else None,
            sample_ratio=SampleRatioView(reading.sample_ratio.ok, reading.sample_ratio.p_value),
            secondary=[EffectView.of(one) for one in reading.secondary.values()],
            breached=reading.breached,
            excluded=ExcludedView(counted.irrelevant, counted.bots),
            waiting=reading.waiting,
        )


class ExperimentPage(msgspec.Struct):
    """Experiments, newest first."""

    items: list[ExperimentRow]
    next_cursor: str | None
