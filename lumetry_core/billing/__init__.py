"""What is used up, what it is worth in credits, and how much of it may be (contract workspace 8). Nothing is sold.

Owns: the meters, usage by hour, rates, budgets, what they stop and whom they tell, and the ledger.
Words: a *meter* counts one thing; a *gauge* is a meter of what is there now, which goes up and down; a *rate* is what a unit is worth in
*micro-units*, a million of which are a credit; a *budget* limits a meter: a *hard* one stops what it meters, a *soft* one only tells; its
*used* figure is that of its running period; the *ledger* has what each closed hour came to, and is never changed.
Tables: `usage_hours`, `usage_levels`, `meter_rates`, `budgets`, `budget_marks`, `ledger_entries`.
Queues: none. Channel `budgets`: budgets were changed.
"""
