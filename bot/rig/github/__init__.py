"""A fake GitHub: REST, GraphQL, git, webhooks and pages on one loopback port."""
