"""What is searched for and in: one file per on-disk layout."""
