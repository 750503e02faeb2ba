"""What makes a benchmark lie: duplicates, leaks, labels, pictures and counts of a dataset, with a fix each."""
