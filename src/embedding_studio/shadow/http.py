"""The endpoints of shadows."""

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from embedding_studio.shadow.schemas import ShadowIn, ShadowReportView, ShadowRow
from embedding_studio.shadow.service import ShadowService

__all__ = ["ShadowController"]


class ShadowController(Controller):
    """Searches that a candidate answers as well, unseen."""

    path = "/api/v1/collections/{name:str}/shadow"
    tags = ("experiments",)

    @post()
    async def start_shadow(
        self, shadow: NamedDependency[ShadowService], name: FromPath[str], data: JSONBody[ShadowIn]
    ) -> ShadowRow:
        """Mirror a share of the collection's searches to a candidate."""
        return ShadowRow.of(await shadow.start(name, data.to_domain(), share=data.share))

    @get()
    async def get_shadow(self, shadow: NamedDependency[ShadowService], name: FromPath[str]) -> ShadowReportView:
        """Compare what the candidate answers with what users were shown."""
        return ShadowReportView.of_report(await shadow.report(name))

    @delete()
    async def delete_shadow(self, shadow: NamedDependency[ShadowService], name: FromPath[str]) -> None:
        """End the shadow, and delete what was mirrored to it."""
        await shadow.stop(name)
