"""What NVIDIA's driver says of the machine's GPUs."""

from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Gpu", "read_gpus"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as it is now.

    Attributes:
        index: As the driver counts.
        memory_used: Bytes.
        memory_free: Bytes.
        busy: Share of the last moments in which it computed, 0..1.
    """

    index: str
    memory_used: int
    memory_free: int
    busy: float


def read_gpus() -> list[Gpu]:
    """The GPUs; none without a driver, or without `nvidia-ml-py`."""
    nvml = _driver()
    if nvml is None:
        return []
    try:
        return [_read(nvml, number) for number in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:  # a GPU that fell off the bus takes no metrics of others with it
        return []


@cache
def _driver() -> Any | None:
    try:
        import pynvml  # noqa: PLC0415  # of the extra `telemetry`
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _read(nvml: Any, number: int) -> Gpu:
    device = nvml.nvmlDeviceGetHandleByIndex(number)
    memory = nvml.nvmlDeviceGetMemoryInfo(device)
    return Gpu(str(number), memory.used, memory.free, _busy(nvml, device))


def _busy(nvml: Any, device: Any) -> float:
    """A GPU that is cut into instances does not tell: 0."""
    try:
        return float(nvml.nvmlDeviceGetUtilizationRates(device).gpu) / 100
    except nvml.NVMLError:
        return 0.0
