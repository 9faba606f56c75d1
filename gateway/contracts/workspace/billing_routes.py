"""Routes of usage and budgets (contract workspace 8)."""

from collections.abc import Sequence

from gateway.contracts.workspace import billing
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Items, Listing, Success
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.billing.v1 import billing_service_pb2


def billing_rpc(method: str) -> Rpc:
    """An RPC of the billing service."""
    return find_rpc(billing_service_pb2.DESCRIPTOR, "BillingService", method)


ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/billing",
        heading="Read billing",
        rpc=billing_rpc("GetBilling"),
        decode=billing.decode_billing,
        encode=billing.encode_billing,
        answer=Success[billing.Billing],
    ),
    Route(
        method="GET",
        path="/api/v1/billing/catalog",
        heading="List meters",
        rpc=billing_rpc("ListMeters"),
        decode=billing.decode_catalog,
        encode=billing.encode_catalog,
        answer=Success[Items[billing.CatalogMeter]],
    ),
    Route(
        method="GET",
        path="/api/v1/billing/usage",
        heading="Read usage",
        rpc=billing_rpc("QueryUsage"),
        query=billing.UsageQuery,
        decode=billing.decode_usage,
        encode=billing.encode_usage,
        answer=Success[billing.Usage],
    ),
    Route(
        method="GET",
        path="/api/v1/billing/ledger",
        heading="List ledger entries",
        rpc=billing_rpc("ListLedgerEntries"),
        query=billing.LedgerQuery,
        decode=billing.decode_ledger,
        encode=billing.encode_ledger,
        answer=Success[Listing[billing.LedgerEntry]],
    ),
    Route(
        method="GET",
        path="/api/v1/billing/budgets",
        heading="List budgets",
        rpc=billing_rpc("ListBudgets"),
        decode=billing.decode_budgets,
        encode=billing.encode_budgets,
        answer=Success[Items[billing.Budget]],
    ),
    Route(
        method="PUT",
        path="/api/v1/billing/budgets",
        heading="Replace budgets",
        rpc=billing.REPLACE,
        body=billing.BudgetsBody,
        body_limit=MAX_BODY_BYTES,
        handle=billing.answer_replace_budgets,
        answer=Success[Items[billing.Budget]],
    ),
)
