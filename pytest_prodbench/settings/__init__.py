"""TOML, environment and command line into typed, validated settings."""
