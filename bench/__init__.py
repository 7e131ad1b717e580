"""Benchmark suites: what a decision costs (``micro``) and what a request costs beside other gateways (``peers``)."""
