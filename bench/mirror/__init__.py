"""What clients notice of a mirror: gateways with mirrors of several kinds, beside one without, under the same load in turns."""
