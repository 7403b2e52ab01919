"""Quotas and budgets: reserve the worst case before a call, settle the truth after it."""
