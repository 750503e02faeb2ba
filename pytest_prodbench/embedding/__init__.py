"""Decode → batch → forward → matrix, and the cache that keeps it."""
