"""What GitHub says and what people ask for: payloads, commands, policy, the handler contract, effects as data. Pure."""
