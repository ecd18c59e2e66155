"""The collector is left with little to do."""

import gc

from embedding_studio.infra.garbage import calm_collector


def test_what_the_start_made_is_not_walked_again() -> None:
    before = gc.get_threshold()
    try:
        calm_collector()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() > before
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
