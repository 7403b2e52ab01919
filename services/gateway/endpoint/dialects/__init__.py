"""Wire formats of clients, translated to the neutral request and back: pure functions, bytes in and bytes out."""
