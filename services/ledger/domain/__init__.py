"""Pure folds: from events to the rows that people read. No clock, no connection, no database."""
