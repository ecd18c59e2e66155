"""When somebody is to be woken."""

from embedding_studio.doctor import InstallationReport
from embedding_studio.doctor.checks import Check, bad


def test_warnings_wake_nobody() -> None:
    assert InstallationReport((Check("a", "warn", "b", "c"), Check("a", "ok", "b"))).is_well
    assert not InstallationReport((bad("a", "b", "c"),)).is_well
