"""Runs coding agents: reads their streams, resumes their sessions, keeps quotas and budgets."""
