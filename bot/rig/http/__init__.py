"""What the stand-ins' servers share: the server itself, its request log, and planned faults."""
