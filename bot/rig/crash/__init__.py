"""The crash walk kills the bot at each request and commit of a story. The end must be the same as without the kill."""
