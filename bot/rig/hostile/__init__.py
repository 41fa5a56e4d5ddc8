"""Archives as a hostile sandbox could leave them, and what reading them costs the bot: `python -m bot.rig.hostile`."""
