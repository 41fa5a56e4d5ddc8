"""Every sentence that users see, and the functions that make text safe to show: sanitizing, redaction, names."""
