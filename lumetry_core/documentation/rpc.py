"""DocumentationService on the wire."""

from typing import Any

import grpc

from lumetry.documentation.v1 import documentation_service_pb2 as pb
from lumetry.documentation.v1.documentation_service_pb2_grpc import DocumentationServiceServicer
from lumetry_core.access.service.rates import AddressLimiter
from lumetry_core.documentation import service
from lumetry_core.documentation.cutting import list_anchors
from lumetry_core.documentation.model import Answer, Page
from lumetry_core.documentation.pages import read_pages
from lumetry_core.runtime.caller import Caller, CredentialKind, RateClass
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Access, admit_current, current_caller, current_origin

Context = grpc.aio.ServicerContext[Any, Any]

MEMBERS = Access(
    any_of=frozenset(),
    credentials=frozenset({CredentialKind.INTERACTIVE, CredentialKind.API_TOKEN, CredentialKind.WORKSPACE_KEY}),
    public=False,
    scope="docs:read",
    rate=RateClass.UNLIMITED,
)
"""Who may ask with a credential; the questions of a user have a limit of their own."""


class DocumentationServicer(DocumentationServiceServicer):
    """Shows the documentation and answers from it."""

    def __init__(self, database: Database, clock: Clock, strangers: AddressLimiter, members: AddressLimiter) -> None:
        """Builds the servicer.

        Args:
            database: Where questions are counted.
            clock: Tells the time.
            strangers: By client address.
            members: By user.
        """
        self._database = database
        self._clock = clock
        self._strangers = strangers
        self._members = members
        self._library = service.Library()

    async def ListDocumentationPages(
        self, request: pb.ListDocumentationPagesRequest, context: Context
    ) -> pb.ListDocumentationPagesResponse:
        """See the proto."""
        return pb.ListDocumentationPagesResponse(pages=[encode_summary(page) for page in read_pages()])

    async def GetDocumentationPage(self, request: pb.GetDocumentationPageRequest, context: Context) -> pb.GetDocumentationPageResponse:
        """See the proto."""
        page = service.get_page(request.path)
        return pb.GetDocumentationPageResponse(
            page=encode_summary(page),
            markdown=page.markdown,
            anchors=list_anchors(page.markdown),
            pages=[encode_summary(each) for each in read_pages()],
        )

    async def AskDocumentation(self, request: pb.AskDocumentationRequest, context: Context) -> pb.AskDocumentationResponse:
        """See the proto."""
        caller = await self._admit()
        question, max_citations = service.check_question(
            request.question, request.max_citations if request.HasField("max_citations") else None
        )
        if request.validate_only:
            return pb.AskDocumentationResponse()
        if caller is None:
            return encode_answer(await self._library.ask(question, max_citations))
        async with self._database.read() as tx:
            await service.admit_question(tx, caller, self._clock.now())
        answer = await self._library.ask(question, max_citations)
        if answer.quotations:
            async with self._database.write() as tx:
                await service.count_question(tx, caller, self._clock.now())
        return encode_answer(answer)

    async def _admit(self) -> Caller | None:
        """The caller, who needs no credential but must not have a wrong one; None: a stranger."""
        if current_origin().secret is None:
            self._strangers.charge(current_origin().address)
            return None
        await admit_current(MEMBERS)
        caller = current_caller()
        self._members.charge(f"{caller.organization_id}/{caller.user_id}")
        return caller


def encode_summary(page: Page) -> pb.DocumentationPageSummary:
    """A page without its text."""
    return pb.DocumentationPageSummary(path=page.path, title=page.title, source=page.source)


def encode_answer(answer: Answer) -> pb.AskDocumentationResponse:
    """An answer."""
    return pb.AskDocumentationResponse(
        answered=bool(answer.quotations),
        sentences=[pb.DocumentationSentence(text=each.text, citations=each.citations) for each in answer.quotations],
        citations=[pb.DocumentationCitation(title=each.title, path=each.path, excerpt=each.excerpt) for each in answer.citations],
    )
