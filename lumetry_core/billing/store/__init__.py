"""Usage, budgets and the ledger in the database."""
