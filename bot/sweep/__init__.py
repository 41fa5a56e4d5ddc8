"""The sweep: every few minutes it recovers missed deliveries, requeues lost work, and removes what is left over or old.

Each part is bounded and safe to repeat. If one fails, the others still run.
"""
