"""Webhook payloads, commands, policy, triggers, the handler interface, and effects as data. Pure: no I/O."""
