"""What the role `finetune` trains with, put together; importing it loads torch."""

from embedding_studio.bootstrap import Container
from embedding_studio.fine_tuning.actors import FineTuner, Judge
from embedding_studio.fine_tuning.championing import Championing
from embedding_studio.fine_tuning.child import TrainingProcess
from embedding_studio.fine_tuning.dataset import DatasetReader
from embedding_studio.fine_tuning.evaluation import Evaluator
from embedding_studio.fine_tuning.fidelity import FidelityMeter
from embedding_studio.fine_tuning.learning import Learner
from embedding_studio.fine_tuning.materials import MaterialsReader
from embedding_studio.fine_tuning.preview import Previewer
from embedding_studio.fine_tuning.training import AdapterTrainer, EncoderTrainer

__all__ = ["fine_tuner"]


def fine_tuner(container: Container, championing: Championing) -> FineTuner:
    """From the sessions to a deployed model."""
    reader = MaterialsReader(
        searches=container.searches,
        embeddings=container.embeddings,
        items=container.items,
        preparers=container.preparers,
    )
    return FineTuner(
        collections=container.collections,
        models=container.models,
        deployments=container.deployments,
        datasets=DatasetReader(clickstream=container.clickstream, curated=container.curated, items=container.items),
        reader=reader,
        learner=_learner(container, reader),
        judge=_judge(container, reader),
        items=container.items,
        log=championing.log,
        championing=championing,
    )


def _learner(container: Container, reader: MaterialsReader) -> Learner:
    settings, threads = container.settings.fine_tuning, container.settings.inference.bulk_threads
    encoders = EncoderTrainer(
        reader=reader,
        models=container.models,
        process=TrainingProcess(settings.launcher),
        threads=threads,
        memory=settings.memory,
    )
    return Learner(
        adapters=AdapterTrainer(threads=threads),
        encoders=encoders,
        models=container.models,
        work=settings.work,
        seconds=settings.seconds,
    )


def _judge(container: Container, reader: MaterialsReader) -> Judge:
    sample, threads = container.settings.fine_tuning.recall_items, container.settings.inference.bulk_threads
    previewer = Previewer(
        searches=container.searches,
        reader=reader,
        items=container.items,
        collections=container.collections,
        threads=threads,
        sample=sample,
    )
    return Judge(
        items=container.items,
        embeddings=container.embeddings,
        evaluator=Evaluator(searches=container.searches, clickstream=container.clickstream),
        previewer=previewer,
        fidelity=FidelityMeter(items=container.items, reader=reader, threads=threads, sample=sample),
        threads=threads,
    )
