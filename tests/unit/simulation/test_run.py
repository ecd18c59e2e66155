import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.simulation.learning import Day, LearningCurve
from embedding_studio.simulation.quality import Estimate
from embedding_studio.simulation.run import Options, show

NOW = datetime(2026, 5, 4, 15, 30, tzinfo=UTC)


def test_the_days_end_yesterday() -> None:
    scenario = Options(days=20, train_every=5, bots=0.1).scenario(NOW)
    assert scenario.start == datetime(2026, 4, 14, tzinfo=UTC)
    assert scenario.training
    assert scenario.training.every == 5
    assert scenario.behaviour.bots == 0.1
    assert Options().scenario(NOW).training is None


def test_a_live_world_has_no_dates() -> None:
    assert Options(live=True).scenario(NOW).start is None


def test_an_unknown_null_world_is_refused() -> None:
    assert Options(null="uniform").scenario(NOW).behaviour.null == "uniform"
    with pytest.raises(InvalidError):
        Options(null="noisy").scenario(NOW)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_curve_is_shown(*, as_json: bool) -> None:
    one = Estimate(0.5, 0.45, 0.55)
    day = Day(
        number=0,
        sessions=300,
        events=90,
        model_version=1,
        decision=None,
        seen=one,
        never_seen=None,
        change_seen=Estimate(0.0, 0.0, 0.0),
        change_never_seen=None,
    )
    written = io.StringIO()
    show(LearningCurve(3, [day]), Console(file=written, width=200), as_json=as_json)
    if as_json:
        assert json.loads(written.getvalue())["days"][0]["seen"] == {"mean": 0.5, "low": 0.45, "high": 0.55}
    else:
        assert "0.500" in written.getvalue()
