"""Every sentence a user can see, and what makes text safe to show: sanitizing, redaction, names."""
