"""The router's choices, pure: packs for tasks, targets for model calls, what follows a failure."""
