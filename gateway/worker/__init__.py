"""A worker: the data plane's process, run once per CPU. It moves bytes and does what the engine says."""
