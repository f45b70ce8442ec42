"""A scenario of the chain for other tables."""
