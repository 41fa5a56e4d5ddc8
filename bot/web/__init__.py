"""The HTTP server: verify a webhook request, store the delivery, answer 202."""
