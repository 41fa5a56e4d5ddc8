"""Checks every recorded request and answer against GitHub's OpenAPI description, GraphQL schema and permissions."""
