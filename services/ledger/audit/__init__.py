"""Proving what happened, with Python's standard library alone: these files are the whole of the offline verifier.

They import nothing but each other, so that ``agentos audit verifier`` can hand them to an auditor as one file. What needs a private key,
the broker or the database stands outside of this package.
"""
