"""The run record: types, JSON and Parquet, merge."""
