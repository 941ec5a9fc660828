"""What came of runs, and where it is kept.

- `runs`: a run and the files that keep its result.
- `store`: a folder or an object store.
- `records`: what claims leave in an executed notebook, read and compared.
- `confirmed`, `kept`: results that are committed, of confirming runs and of single ones.
"""
