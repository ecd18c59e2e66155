"""Parts that say how encoders are trained."""

import pytest

from embedding_studio.sdk import EmbeddingPlugin, GradedCosent, InBatchSoftmax, Learning, Matryoshka, TeacherMargins


def test_a_recipe_says_what_its_loss_reads() -> None:
    assert Learning().build().loss == {"kind": "softmax", "scale": 20.0, "anchor": 1.0}
    assert Learning(GradedCosent()).build().reads_gains
    nested = Learning(Matryoshka(TeacherMargins("judge"), dimensions=(8, 4)), sampler="balanced").build()
    assert (nested.teacher, nested.reads_gains, nested.sampler) == ("judge", False, "balanced")
    assert nested.loss["dimensions"] == [8, 4]


def test_sizes_that_are_none_are_refused() -> None:
    for dimensions in ((), (0,), (8, 8)):
        with pytest.raises(ValueError, match="positive"):
            Matryoshka(InBatchSoftmax(), dimensions)


def test_a_plugin_takes_no_other_part() -> None:
    with pytest.raises(TypeError, match="learning"):
        EmbeddingPlugin(name="shop", learning=InBatchSoftmax())  # type: ignore[arg-type]
