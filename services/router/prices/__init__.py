"""What tokens cost: the maintained price table, with the operator's own prices over it."""
