"""The ledger: folds every event into SQL, proves with a signed hash chain that none was changed, and answers the questions of people."""
