"""What came of runs, and where it is kept.

- `result`: what came of a run, and the files that keep it.
- `store`: a folder or an object store.
- `records`: what claims leave in an executed notebook, read and compared.
- `confirmed`, `kept`: results that are committed, of confirming runs and of single ones.
- `processor`: on which kind of processor a run is made.
"""
