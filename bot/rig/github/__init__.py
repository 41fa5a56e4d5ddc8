"""A stand-in for GitHub: REST, GraphQL, git, webhooks and pages on one loopback port."""
