"""The configuration file: read, checked, explained when wrong, and compiled into snapshots."""
