"""Everything that the page shows, as tidy tables: CSV and Parquet for spreadsheets, notebooks, dashboards."""
