"""ampbot: a comment on GitHub becomes a pull request."""

__version__ = "0.1.0"
