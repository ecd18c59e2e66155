"""What is counted of encoders."""

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["BATCH_TEXTS", "FALLBACKS", "TEXTS_WAITING"]

TEXTS_WAITING = Gauge(
    "embedding_studio_inference_texts_waiting", "Texts and pairs that wait for a model", multiprocess_mode="livesum"
)

BATCH_TEXTS = Histogram(
    "embedding_studio_inference_batch_texts",
    "Texts and pairs that went into one run",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
)

FALLBACKS = Counter(
    "embedding_studio_inference_fallbacks", "Times that Triton did not answer and this process embedded in its place"
)
