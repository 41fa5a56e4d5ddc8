"""The crash walk: a story is killed at each of its requests and commits, and must end as if it had not been."""
