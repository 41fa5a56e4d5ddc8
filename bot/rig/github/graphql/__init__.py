"""The part of GitHub's GraphQL API that a bot needs, with GitHub's own names."""
