"""Durable execution: DBOS workflows, the worker's lock, retries, and idempotent effects."""
