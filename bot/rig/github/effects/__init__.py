"""Changes of the state: one function for each action, with the webhooks that GitHub sends for it.

REST, GraphQL, git and `UserActions` all use these. Callers hold the state's lock. Refusals are raised as Refusal.
"""
