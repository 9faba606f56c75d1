"""Usage, budgets and the ledger (contract workspace 8)."""

from typing import Any

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.workspace.sensitive import retell
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Items, Listing, Success, Time, identity_of, make_listing, read_limit
from gateway.transcode.bodies import check_content_type, parse_json, read_bytes
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, malformed_body
from gateway.transcode.handling import json_response
from gateway.transcode.reading import read_body
from gateway.transcode.request import UUID, Request
from gateway.transcode.times import format_time
from lumetry.billing.v1 import billing_pb2
from lumetry.billing.v1 import billing_service_pb2 as pb

REPLACE = find_rpc(pb.DESCRIPTOR, "BillingService", "ReplaceBudgets")
BROWSER_MESSAGE = "Budget management requires a browser session"
CREDIT = 1_000_000
LARGEST_INT64, LARGEST_INT32 = 2**63 - 1, 2**31 - 1


class UsageQuery(msgspec.Struct, rename="camel"):
    """Which usage."""

    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    interval: str = ""
    meter: str = ""
    project_id: str = ""


class LedgerQuery(msgspec.Struct):
    """Which entries of the ledger."""

    meter: str = ""
    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    limit: int | None = None
    cursor: str = ""


class BudgetBody(msgspec.Struct, rename="camel"):
    """A budget to keep."""

    id: str | None = None
    name: str | None = None
    meter: str | None = None
    period: str | None = None
    limit: int | None = None
    mode: str | None = None
    project_id: str | None = None
    alert_thresholds: list[int] | None = None
    is_active: bool | None = None


class BudgetsBody(msgspec.Struct):
    """All budgets of the organization."""

    items: list[BudgetBody]


class Account(msgspec.Struct, rename="camel"):
    """Whose usage it is."""

    org_id: str
    plan: str = "community"
    status: str = "active"
    paused: bool = False


class Credits(msgspec.Struct, rename="camel"):
    """1.8 an amount of credits."""

    credits: float
    credit_microunits: int = msgspec.field(name="creditMicrounits")


class Period(msgspec.Struct):
    """From one time on and before another."""

    from_: Time = msgspec.field(name="from")
    to: Time


class Meter(msgspec.Struct, rename="camel"):
    """What a meter read."""

    meter: str
    unit: str
    quantity: int
    credits: float
    credit_microunits: int = msgspec.field(name="creditMicrounits")


class BudgetCounts(msgspec.Struct):
    """How budgets stand."""

    total: int
    exceeded: int


class Billing(msgspec.Struct):
    """The running month."""

    account: Account
    balance: Credits
    period: Period
    meters: list[Meter]
    budgets: BudgetCounts


class CatalogMeter(msgspec.Struct, rename="camel"):
    """What a meter counts, and what it is worth."""

    meter: str
    unit: str
    description: str
    credit_microunits_per_unit: int = msgspec.field(name="creditMicrounitsPerUnit")


class UsagePoint(msgspec.Struct, rename="camel"):
    """What a meter read in an interval."""

    timestamp: Time
    meter: str
    quantity: int
    credit_microunits: int = msgspec.field(name="creditMicrounits")


class ProjectUsage(msgspec.Struct, rename="camel"):
    """What a meter read for a project."""

    project_id: str
    meter: str
    quantity: int


class Usage(msgspec.Struct, rename="camel"):
    """Usage of a span."""

    period: Period
    interval: str
    totals: list[Meter]
    series: list[UsagePoint]
    by_project: list[ProjectUsage]


class LedgerEntry(msgspec.Struct, rename="camel"):
    """What a closed hour came to."""

    id: str
    meter: str
    unit: str
    quantity: int
    project_id: str | None
    credits: float
    credit_microunits: int = msgspec.field(name="creditMicrounits")
    period_start: Time
    period_end: Time
    created_at: Time


class Budget(msgspec.Struct, rename="camel"):
    """A budget with what it has used."""

    id: str
    name: str
    meter: str
    period: str
    limit: int
    mode: str
    project_id: str | None
    alert_thresholds: list[int]
    is_active: bool
    used: int
    remaining: int
    exceeded: bool
    resets_at: Time | None
    created_at: Time
    updated_at: Time


def decode_billing(_request: Request) -> pb.GetBillingRequest:
    """8 `GET /billing`."""
    return pb.GetBillingRequest()


def encode_billing(reply: pb.GetBillingResponse, _asked: object) -> Success[Billing]:
    """8 the running month; what it is worth is owed to nobody, but stands as a negative balance."""
    spent = sum(reading.microunits for reading in reply.readings if reading.meter == "credits")
    return Success(
        Billing(
            account=Account(org_id=identity_of("organization", reply.organization_id)),
            balance=Credits(credits=credits_of(-spent), credit_microunits=-spent),
            period=Period(from_=format_time(reply.begin_time), to=format_time(reply.end_time)),
            meters=[encode_meter(reading) for reading in reply.readings],
            budgets=BudgetCounts(total=reply.budget_count, exceeded=reply.exceeded_budget_count),
        )
    )


def decode_catalog(_request: Request) -> pb.ListMetersRequest:
    """8 `GET /billing/catalog`."""
    return pb.ListMetersRequest()


def encode_catalog(reply: pb.ListMetersResponse, _asked: object) -> Success[Items[CatalogMeter]]:
    """8 the meters."""
    return Success(Items([CatalogMeter(meter.name, meter.unit, meter.description, meter.microunits_per_unit) for meter in reply.meters]))


def decode_usage(request: Request) -> pb.QueryUsageRequest:
    """8 `GET /billing/usage`."""
    query = request.query(UsageQuery)
    return pb.QueryUsageRequest(
        begin_time=query.from_, end_time=query.to, interval=query.interval, meter=query.meter, project_id=read_id(query.project_id)
    )


def encode_usage(reply: pb.QueryUsageResponse, _asked: object) -> Success[Usage]:
    """8 usage of a span."""
    return Success(
        Usage(
            period=Period(from_=format_time(reply.begin_time), to=format_time(reply.end_time)),
            interval=reply.interval,
            totals=[encode_meter(reading) for reading in reply.totals],
            series=[
                UsagePoint(format_time(point.time), point.reading.meter, point.reading.quantity, point.reading.microunits)
                for point in reply.series
            ],
            by_project=[ProjectUsage(each.project_id, each.meter, each.quantity) for each in reply.projects],
        )
    )


def decode_ledger(request: Request) -> pb.ListLedgerEntriesRequest:
    """8 `GET /billing/ledger`."""
    query = request.query(LedgerQuery)
    return pb.ListLedgerEntriesRequest(
        meter=query.meter, begin_time=query.from_, end_time=query.to, limit=read_limit(query.limit), cursor=query.cursor
    )


def encode_ledger(reply: pb.ListLedgerEntriesResponse, _asked: object) -> Success[Listing[LedgerEntry]]:
    """8 a page of the ledger."""
    return make_listing([encode_entry(entry) for entry in reply.entries], reply.next_cursor)


def decode_budgets(_request: Request) -> pb.ListBudgetsRequest:
    """8 `GET /billing/budgets`."""
    return pb.ListBudgetsRequest()


def encode_budgets(reply: pb.ListBudgetsResponse | pb.ReplaceBudgetsResponse, _asked: object) -> Success[Items[Budget]]:
    """8 the budgets."""
    return Success(Items([encode_budget(budget) for budget in reply.budgets]))


async def answer_replace_budgets(request: Request) -> web.StreamResponse:
    """8 `PUT /billing/budgets`, for people only (1.5): the core, which tells who is a program, is asked first, and not charged for it."""
    request.content = await read_bytes(request.http, MAX_BODY_BYTES, gzip=False)
    try:
        await request.core.check_access(REPLACE, request.metadata, charged=False)
        try:
            data = parse_object(request)
        except Failure:
            await request.core.check_access(REPLACE, request.metadata, rates=request.rates)  # counts like the call that is not made
            raise
        reply = await replace_budgets(request, data)
    except Failure as failure:
        raise retell(failure, BROWSER_MESSAGE) from None
    return json_response(encode_budgets(reply, None))


def parse_object(request: Request) -> dict[str, Any]:
    """The body as an object.

    Raises:
        Failure: MALFORMED_BODY.
    """
    check_content_type(request.http, request.family.is_media, request.family.bad_media)
    data = parse_json(request.content or b"")
    if not isinstance(data, dict):
        raise malformed_body("The body must be a JSON object.")
    return data


async def replace_budgets(request: Request, data: dict[str, Any]) -> pb.ReplaceBudgetsResponse:
    """Calls the core or, when fields have wrong types, lets it check the others, so that the answer names every fault."""
    faults: list[Fault] = []
    drafts = [decode_draft(body) for body in read_budgets(data, faults)]
    asked = pb.ReplaceBudgetsRequest(budgets=drafts, validate_only=bool(faults))
    try:
        reply: pb.ReplaceBudgetsResponse = await request.core.call(REPLACE, asked, request.metadata, rates=request.rates)
    except Failure as failure:
        if not faults or failure.reason not in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            raise
        known = tuple(fault.path for fault in faults)  # an item that is none has no fields either
        faults += [fault for fault in failure.faults if not any(f"{fault.path}.".startswith(f"{path}.") for path in known)]
    if faults:
        raise Failure(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults), from_core=True)
    return reply


def read_budgets(data: dict[str, Any], faults: list[Fault]) -> list[BudgetBody]:
    """The items of a body; those of a wrong type are noted, and what is right in them still stands."""
    items = data.get("items")
    if not isinstance(items, list):
        faults.append(Fault("items", "is required" if items is None else "must be an array"))
        return []
    bodies = []
    for index, item in enumerate(items):
        noted: list[Fault] = []
        bodies.append(read_body(BudgetBody, item, noted))
        faults += [Fault(f"items[{index}].{fault.path}" if fault.path else f"items[{index}]", fault.message) for fault in noted]
    return bodies


def decode_draft(body: BudgetBody) -> billing_pb2.BudgetDraft:
    """8 a budget as it was sent; numbers that are far out of range stay so."""
    thresholds = body.alert_thresholds
    return billing_pb2.BudgetDraft(
        id=read_id(body.id or ""),
        name=body.name,
        meter=body.meter,
        period=body.period,
        limit=None if body.limit is None else clamp(body.limit, LARGEST_INT64),
        mode=body.mode,
        project_id=None if body.project_id is None else read_id(body.project_id),
        thresholds=None
        if thresholds is None
        else billing_pb2.Thresholds(percentages=[clamp(percent or 0, LARGEST_INT32) for percent in thresholds]),
        is_active=body.is_active,
    )


def clamp(number: int, largest: int) -> int:
    """The number that the wire can hold nearest to one."""
    return max(-largest, min(number, largest))


def read_id(text: str) -> str:
    """A UUID in lower case, or anything else as it is."""
    return text.lower() if UUID.fullmatch(text.lower()) else text


def encode_meter(reading: billing_pb2.MeterReading) -> Meter:
    """8 what a meter read."""
    return Meter(reading.meter, reading.unit, reading.quantity, credits_of(reading.microunits), reading.microunits)


def encode_entry(entry: billing_pb2.LedgerEntry) -> LedgerEntry:
    """8 an entry of the ledger."""
    return LedgerEntry(
        id=entry.id,
        meter=entry.meter,
        unit=entry.unit,
        quantity=entry.quantity,
        project_id=entry.project_id if entry.HasField("project_id") else None,
        credits=credits_of(entry.microunits),
        credit_microunits=entry.microunits,
        period_start=format_time(entry.begin_time),
        period_end=format_time(entry.end_time),
        created_at=format_time(entry.create_time),
    )


def encode_budget(budget: billing_pb2.Budget) -> Budget:
    """8 a budget."""
    return Budget(
        id=budget.id,
        name=budget.name,
        meter=budget.meter,
        period=budget.period,
        limit=budget.limit,
        mode=budget.mode,
        project_id=budget.project_id if budget.HasField("project_id") else None,
        alert_thresholds=list(budget.thresholds),
        is_active=budget.is_active,
        used=budget.used,
        remaining=budget.remaining,
        exceeded=budget.is_exceeded,
        resets_at=format_time(budget.reset_time) if budget.HasField("reset_time") else None,
        created_at=format_time(budget.create_time),
        updated_at=format_time(budget.update_time),
    )


def credits_of(microunits: int) -> float:
    """Micro-units as credits."""
    return microunits / CREDIT
