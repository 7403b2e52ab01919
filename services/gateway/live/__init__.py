"""The live feed: every event as it is stored, to whoever may see it."""
