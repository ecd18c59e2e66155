"""What a driver says of GPUs, in numbers."""

from types import SimpleNamespace

import pytest

from embedding_studio.infra import gpu
from embedding_studio.infra.gpu import Gpu, read_gpus
from embedding_studio.infra.metrics import ProcessFacts


class _NvmlError(Exception):
    pass


def driver(*, tells_how_busy: bool = True, is_lost: bool = False) -> SimpleNamespace:
    """NVIDIA's driver for two GPUs, which this machine may lack."""

    def count() -> int:
        if is_lost:
            raise _NvmlError
        return 2

    def rates(_device: int) -> SimpleNamespace:
        if not tells_how_busy:
            raise _NvmlError
        return SimpleNamespace(gpu=25)

    return SimpleNamespace(
        NVMLError=_NvmlError,
        nvmlDeviceGetCount=count,
        nvmlDeviceGetHandleByIndex=lambda number: number,
        nvmlDeviceGetMemoryInfo=lambda device: SimpleNamespace(used=10 + device, free=90),
        nvmlDeviceGetUtilizationRates=rates,
    )


def test_every_gpu_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_driver", driver)
    assert read_gpus() == [Gpu("0", 10, 90, 0.25), Gpu("1", 11, 90, 0.25)]
    families = {one.name: one for one in ProcessFacts("finetune").collect()}
    memory = [(one.labels, one.value) for one in families["embedding_studio_gpu_memory_bytes"].samples]
    assert memory[:2] == [({"gpu": "0", "state": "used"}, 10), ({"gpu": "0", "state": "free"}, 90)]
    assert [one.labels for one in families["embedding_studio_gpu_busy_ratio"].samples] == [{"gpu": "0"}, {"gpu": "1"}]


def test_a_gpu_in_instances_does_not_say_how_busy_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_driver", lambda: driver(tells_how_busy=False))
    assert [one.busy for one in read_gpus()] == [0.0, 0.0]


@pytest.mark.parametrize("there", [None, driver(is_lost=True)])
def test_without_gpus_there_is_nothing_of_them(monkeypatch: pytest.MonkeyPatch, there: SimpleNamespace | None) -> None:
    monkeypatch.setattr(gpu, "_driver", lambda: there)
    assert read_gpus() == []
    assert [one.name for one in ProcessFacts("api").collect()] == ["embedding_studio_build_info"]
