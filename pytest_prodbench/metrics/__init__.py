"""Ranks → numbers with intervals; pure functions, no I/O."""
