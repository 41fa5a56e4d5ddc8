"""The database: rows as types. Functions take a connection and run in the caller's transaction."""
