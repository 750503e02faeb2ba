"""TOML, environment and command line into typed, validated settings.

``options`` is light (pytest loads it in every repository where the plugin is installed); ``types``,
``tables`` and ``files`` need pydantic and are loaded when a suite is there.
"""
