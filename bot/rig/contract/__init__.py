"""Holds every recorded request and answer to what GitHub publishes: OpenAPI, GraphQL schema, permissions."""
