"""Services that are not there: generated instances with a stated latency, failure rate and capacity, and whole scenarios."""
