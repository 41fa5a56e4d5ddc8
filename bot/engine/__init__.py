"""Durable execution: DBOS workflows, the worker's lock, retries, and effects that happen once."""
