"""How an image becomes a vector: one file per library."""
