"""What changes the world: one place for each deed, with the webhooks that GitHub sends for it.

REST, GraphQL, git and the facade all come here. Callers hold the world's lock. Refusals are raised as Refusal.
"""
