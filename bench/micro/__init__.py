"""What one decision costs from Python, beside a plain Python reference in the same group."""
