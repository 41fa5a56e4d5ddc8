"""GitHub's REST API: one file for each area of it, each route beside the permission it needs."""
