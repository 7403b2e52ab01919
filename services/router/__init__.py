"""Tasks to packs, and model calls to providers."""
