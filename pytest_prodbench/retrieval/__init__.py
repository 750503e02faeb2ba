"""Query and gallery matrices → exact ranks."""
