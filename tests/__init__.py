"""Tests of Headgate: unit mirrors the source tree, integration and chaos start the real command."""
