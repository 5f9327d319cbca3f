"""Measured budgets."""
