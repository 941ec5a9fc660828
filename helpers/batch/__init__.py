"""Runs and renders the book's notebooks from outside of them; no chapter imports it.

Each room imports only from those above it:

- `errors`: what can go wrong.
- `notebook`, `book`: a notebook as it is to be executed; which notebooks the book has.
- `ask`: what is asked for: parameters, grids, and what makes two runs the same.
- `execute`: one notebook, on a kernel.
- `results`: what came of it, and where that is kept.
- `drive`: many runs, here or on a cluster.
- `report`: tables, a claims matrix and plots of a batch.
- `site`: the rendered book.
- `commit`: what is executed to be committed.
- `cli`: the command `dnnbook`.
"""
