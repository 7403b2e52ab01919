"""The ``agentos`` command. Everything but ``up``, ``demo`` and ``provision`` goes through the REST API alone."""
