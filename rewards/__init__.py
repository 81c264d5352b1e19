"""Rewards: grants earned by confirmed reservations, payouts made once, a double-entry ledger."""
