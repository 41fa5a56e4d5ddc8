"""The HTTP side: verify a webhook request, store the delivery, answer 202. Nothing else happens in a request."""
