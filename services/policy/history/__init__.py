"""What a task family has read, done and spent, and the labels that follow from it."""
