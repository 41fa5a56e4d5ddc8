"""Our rows as types. Every function takes a connection and is part of its caller's transaction."""
