"""From a stored delivery to its effects: plan, store the plan, perform it. Also takeover and status."""
