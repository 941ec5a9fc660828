"""The rendered book.

- `build`: executes what has changed. `unfinished`: pages that show it while the rest runs.
- `publishing`: puts pages in place, each or all at once.
- `sources`: what pages are made of. `rendering`: what is new, by `render`: jupyter-book, strictly.
- `configuration`: which settings there are. `incremental`, `faster`: Sphinx' work, and less of it.
- `overview`, `directives`: the first page, filled from the chapters' outputs.
- `sentences`, `speaking`: claims that speak in the prose. `roles`: what roles share.
- `folding`: one bar for neighbouring folded cells. `quizzes`, `terms`: questions, the glossary.
- `replication`, `matrix`: what confirming runs found on all data sets. `headlines`: kept figures.
- `onepage`, `pdf`: the book on paper.
"""
