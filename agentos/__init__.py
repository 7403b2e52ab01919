"""What every part of AgentOS shares: contracts, the bus, event sourcing, the pack SDK, and the command line."""
