"""Everything about GitHub. Only `client` imports PyGithub; no type of PyGithub leaves it."""
