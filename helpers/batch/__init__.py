"""Runs and renders the book's notebooks from outside of them; no chapter imports it.

- `chapters`: which notebook a name means, and which chapters the book has.
- `parameters`: what a notebook declares, and strict validation of what it is given.
- `execution`: one notebook, executed by papermill in a process of its own.
- `run`: one run of one notebook, kept in a folder.
- `records`: what claims leave in an executed notebook, read and compared.
- `build`: executes every chapter into a staging copy and puts the rendered site in place.
- `render`: executed pages in, a site out; strict.
- `refresh`: executes the committed notebooks in place and normalizes them.
- `errors`: what can go wrong.
- `cli`: the command `dnnbook`.
"""
