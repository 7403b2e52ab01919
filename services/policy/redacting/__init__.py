"""The parts of redaction: what to read (``segments``), what to do with a find (``plan``), what is known already (``known``), replacing."""
