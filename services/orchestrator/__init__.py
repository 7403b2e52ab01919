"""Task life cycle: what a task waits for, when it is tried again, and how it ends."""
