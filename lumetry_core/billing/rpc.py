"""BillingService on the wire."""

from datetime import datetime, timedelta
from typing import Any

import grpc
from google.protobuf.message import Message

from lumetry.billing.v1 import billing_pb2
from lumetry.billing.v1 import billing_service_pb2 as pb
from lumetry.billing.v1.billing_service_pb2_grpc import BillingServiceServicer
from lumetry_core.billing.draft import BudgetDraft
from lumetry_core.billing.model import FACTS, LedgerEntry, Meter, Reading, Spent
from lumetry_core.billing.service import editing, reading
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]
HOUR = timedelta(hours=1)


class BillingServicer(BillingServiceServicer):
    """Tells of usage and keeps budgets."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def GetBilling(self, request: pb.GetBillingRequest, context: Context) -> pb.GetBillingResponse:
        """See the proto."""
        caller = current_caller()
        async with self._database.read() as tx:
            overview = await reading.read_overview(tx, caller.organization_id, self._clock.now())
        return pb.GetBillingResponse(
            organization_id=caller.organization_id,
            begin_time=encode_time(overview.begin),
            end_time=encode_time(overview.end),
            readings=[encode_reading(each) for each in overview.readings],
            budget_count=overview.budget_count,
            exceeded_budget_count=overview.exceeded_count,
        )

    async def ListMeters(self, request: pb.ListMetersRequest, context: Context) -> pb.ListMetersResponse:
        """See the proto."""
        async with self._database.read() as tx:
            rates = await reading.read_rates(tx)
        return pb.ListMetersResponse(
            meters=[
                billing_pb2.Meter(
                    name=meter.value,
                    unit=FACTS[meter].unit,
                    description=FACTS[meter].description,
                    microunits_per_unit=rates.get(meter, 0),
                )
                for meter in Meter
            ]
        )

    async def QueryUsage(self, request: pb.QueryUsageRequest, context: Context) -> pb.QueryUsageResponse:
        """See the proto."""
        begin, end = decode_bounds(request)
        async with self._database.read() as tx:
            report = await reading.read_usage(
                tx,
                current_caller(),
                begin=begin,
                end=end,
                interval=request.interval,
                meter=request.meter,
                project=request.project_id,
                now=self._clock.now(),
            )
        return pb.QueryUsageResponse(
            begin_time=encode_time(report.span.begin),
            end_time=encode_time(report.span.end),
            interval=report.span.interval.value,
            totals=[encode_reading(each) for each in report.totals],
            series=[pb.UsagePoint(time=encode_time(time), reading=encode_reading(each)) for time, each in report.series],
            projects=[pb.ProjectUsage(project_id=project, meter=meter.value, quantity=each) for project, meter, each in report.by_project],
        )

    async def ListLedgerEntries(self, request: pb.ListLedgerEntriesRequest, context: Context) -> pb.ListLedgerEntriesResponse:
        """See the proto."""
        begin, end = decode_bounds(request)
        async with self._database.read() as tx:
            entries, next_cursor = await reading.list_ledger(
                tx,
                current_caller(),
                meter=request.meter,
                begin=begin,
                end=end,
                limit=request.limit if request.HasField("limit") else None,
                cursor=request.cursor,
            )
        return pb.ListLedgerEntriesResponse(entries=[encode_entry(entry) for entry in entries], next_cursor=next_cursor)

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: Context) -> pb.ListBudgetsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            budgets = await reading.list_budgets(tx, current_caller().organization_id, self._clock.now())
        return pb.ListBudgetsResponse(budgets=[encode_budget(spent) for spent in budgets])

    async def ReplaceBudgets(self, request: pb.ReplaceBudgetsRequest, context: Context) -> pb.ReplaceBudgetsResponse:
        """See the proto."""
        drafts = [decode_draft(draft) for draft in request.budgets]
        if request.validate_only:
            editing.check_budgets(drafts)
            return pb.ReplaceBudgetsResponse()
        caller: Caller = current_caller()
        async with self._database.write() as tx:
            budgets = await editing.replace_budgets(tx, caller, drafts, self._clock.now())
        return pb.ReplaceBudgetsResponse(budgets=[encode_budget(spent) for spent in budgets])


def decode_bounds(request: pb.QueryUsageRequest | pb.ListLedgerEntriesRequest) -> tuple[datetime | None, datetime | None]:
    """The span that is asked for. Fails with VALIDATION_FAILED for times outside the calendar."""
    faults = Faults()
    begin = decode_time(request.begin_time, "from", faults) if request.HasField("begin_time") else None
    end = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
    faults.raise_if_any()
    return begin, end


def decode_draft(message: billing_pb2.BudgetDraft) -> BudgetDraft:
    """A budget as it was sent."""
    return BudgetDraft(
        id=message.id or None,
        name=given(message, "name"),
        meter=given(message, "meter"),
        period=given(message, "period"),
        limit=given(message, "limit"),
        mode=given(message, "mode"),
        project_id=given(message, "project_id"),
        thresholds=tuple(message.thresholds.percentages) if message.HasField("thresholds") else None,
        is_active=given(message, "is_active"),
    )


def given(message: Message, name: str) -> Any:  # noqa: ANN401 -- fields have all types
    """The value of a field; None: absent."""
    return getattr(message, name) if message.HasField(name) else None


def encode_reading(each: Reading) -> billing_pb2.MeterReading:
    """What a meter read."""
    return billing_pb2.MeterReading(meter=each.meter.value, unit=FACTS[each.meter].unit, quantity=each.quantity, microunits=each.microunits)


def encode_entry(entry: LedgerEntry) -> billing_pb2.LedgerEntry:
    """What an hour came to."""
    return billing_pb2.LedgerEntry(
        id=entry.id,
        meter=entry.meter.value,
        unit=FACTS[entry.meter].unit,
        quantity=entry.quantity,
        project_id=entry.project_id,
        microunits=entry.microunits,
        begin_time=encode_time(entry.hour),
        end_time=encode_time(entry.hour + HOUR),
        create_time=encode_time(entry.create_time),
    )


def encode_budget(spent: Spent) -> billing_pb2.Budget:
    """A budget."""
    budget = spent.budget
    return billing_pb2.Budget(
        id=budget.id,
        name=budget.name,
        meter=budget.meter.value,
        period=budget.period.value,
        limit=budget.limit,
        mode=budget.mode.value,
        project_id=budget.project_id,
        thresholds=budget.thresholds,
        is_active=budget.is_active,
        used=spent.used,
        remaining=spent.remaining,
        is_exceeded=spent.is_exceeded,
        reset_time=encode_time(spent.reset_time),
        create_time=encode_time(budget.create_time),
        update_time=encode_time(budget.update_time),
    )
