"""GitHub's room. `client` alone imports PyGithub; nothing of it leaves."""
