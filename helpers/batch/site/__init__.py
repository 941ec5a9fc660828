"""The rendered book.

- `build`: executes what has changed and puts the pages in place.
- `sources`: what pages are made of. `render`: jupyter-book, strictly.
- `overview`, `directives`: the first page, filled from the chapters' outputs.
- `sentences`, `speaking`: claims that speak in the prose. `roles`: what roles share.
- `folding`: one bar for neighbouring folded cells.
- `replication`, `matrix`: what confirming runs found on all data sets. `headlines`: kept figures.
"""
