"""The part of GitHub's GraphQL API that a bot needs."""
