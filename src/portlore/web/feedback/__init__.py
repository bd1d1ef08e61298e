"""Readers' votes on pages: the store and what is told of it."""
