"""Tables and charts of ``bench.peers`` results, drawn from its JSON document alone."""
