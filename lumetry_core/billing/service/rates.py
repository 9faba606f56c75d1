"""What units are worth, as the deployment is configured."""

from lumetry_core.billing.judging import Rates
from lumetry_core.billing.store import budgets as store
from lumetry_core.runtime.database import Transaction


async def publish_rates(tx: Transaction, rates: Rates) -> None:
    """Makes these the rates of the deployment, for every core and from now on; the ledger keeps those of its time."""
    if await store.read_rates(tx) != {meter: rate for meter, rate in rates.items() if rate}:
        await store.replace_rates(tx, rates)
