"""How results are shown: as text, as a page with plots; a file for each."""
