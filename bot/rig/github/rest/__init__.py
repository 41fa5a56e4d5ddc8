"""GitHub's REST API: a module for each area, with the permission that each route needs."""
