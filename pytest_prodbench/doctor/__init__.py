"""What makes a benchmark lie: duplicates, leaks, labels, pictures, counts of a dataset; with a fix each."""
