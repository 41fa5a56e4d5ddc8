"""Stories told to a bot whose every request to GitHub gets a passing refusal, once and twice. See __main__.py."""
