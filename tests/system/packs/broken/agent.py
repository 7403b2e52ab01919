"""A pack that fails while it is imported."""

raise RuntimeError("this pack cannot be imported")
