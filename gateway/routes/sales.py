"""What anyone may see: sales and the queue document, written once and answered from memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from gateway.answers import QueueAnswer, SaleAnswer, SalesAnswer
from gateway.callers import PartsOf
from gateway.describe import answers
from gateway.requests import SaleId
from kit.web.conditional import Document

router = APIRouter(tags=["sales"])

JSON: Final = "application/json"
SALES_CACHE: Final = "public, max-age=5"  # a sale changes by a person's hand; five seconds are soon enough
_NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "Unchanged since the ETag that was sent"}
}
_CACHED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "ETag": {"schema": {"type": "string"}},
            "Cache-Control": {"schema": {"type": "string"}},
        }
    }
}


@dataclass(slots=True)
class Written:
    """Documents by name, each with what it was written from; one of a kind a process."""

    documents: dict[str, tuple[object, Document]] = field(default_factory=dict)

    def get(self, name: str, made_from: object, write: Callable[[], Document]) -> Document:
        """The document, written anew where it was made from something else."""
        known = self.documents.get(name)
        if known is not None and known[0] == made_from:
            return known[1]
        document = write()
        self.documents[name] = (made_from, document)
        return document


@router.get("/v1/sales", response_model=SalesAnswer, responses={**answers(), **_NOT_MODIFIED, **_CACHED})
async def list_sales(request: Request, parts: PartsOf) -> Response:
    """Every sale: facts, times, items, prices, rules as text and as structure."""
    sales = parts.book.all()
    document = written(request).get(
        "sales",
        [(sale.sale_id, sale.revision, sale) for sale in sales],
        lambda: _document(SalesAnswer(sales=[SaleAnswer.of(sale) for sale in sales])),
    )
    return document.answer(request)


@router.get(
    "/v1/sales/{sale_id}",
    response_model=SaleAnswer,
    responses={**answers("sale_unknown", "invalid_request"), **_NOT_MODIFIED, **_CACHED},
)
async def show_sale(sale_id: SaleId, request: Request, parts: PartsOf) -> Response:
    """One sale."""
    sale = parts.book.get(sale_id)
    document = written(request).get(f"sale {sale_id}", sale, lambda: _document(SaleAnswer.of(sale)))
    return document.answer(request)


@router.head("/v1/sales/{sale_id}/queue", include_in_schema=False)
@router.get(
    "/v1/sales/{sale_id}/queue",
    response_model=QueueAnswer,
    responses={**answers("sale_unknown", "invalid_request", "unavailable"), **_NOT_MODIFIED, **_CACHED},
)
async def show_queue(sale_id: SaleId, request: Request, parts: PartsOf) -> Response:
    """The waiting room and the stock, the same for everybody: poll it, no sooner than `next_poll_seconds` says."""
    return parts.queue_documents.get(sale_id).answer(request)


def _document(answer: BaseModel) -> Document:
    return Document.of(answer.model_dump_json().encode(), media_type=JSON, cache_control=SALES_CACHE)


def written(request: Request) -> Written:
    """This app's documents."""
    documents: Written = request.app.state.written
    return documents
