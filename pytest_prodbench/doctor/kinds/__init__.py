"""One rule a file: facts → findings."""
