"""Events by aggregate: past tense, one fact each. Who emits and who reads them stands in the channel table."""
