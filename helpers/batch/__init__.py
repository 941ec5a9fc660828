"""Runs and renders the book's notebooks from outside of them; no chapter imports it.

What is asked for:

- `chapters`: which notebook a name means, and which chapters the book has.
- `parameters`: what a notebook declares, and strict validation of what it is given.
- `grid`: grid files, and the runs that they ask for.
- `datasets`: whether the data can be loaded, before anything runs.
- `identity`: what makes two runs the same.

Running it:

- `kernels`: forked from a warm server, or ordinary ones.
- `execution`, `papermilling`, `executed`: one notebook, executed by papermill in this process;
  `imports` makes that start sooner.
- `run`: one run, kept in a folder.
- `worker`, `cluster`, `engine`: many runs on a Dask cluster, here or elsewhere.
- `batch`: every run of a plan, kept as it ends.
- `runs`, `store`: the files that keep results, in a folder or an object store.
- `progress`: how it goes.

What comes of it:

- `records`: what claims leave in an executed notebook, read and compared.
- `report`: tables, a claims matrix and plots of a batch.
- `build`, `pages`, `render`: the rendered book.
- `overview`, `directives`: its first page, filled from the chapters' outputs.
- `refresh`: the committed notebooks, executed in place and normalized.

- `errors`: what can go wrong.
- `cli`: the command `dnnbook`.
"""
