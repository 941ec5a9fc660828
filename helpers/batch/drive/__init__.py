"""Many runs on a Dask cluster, here or elsewhere.

- `batch`: every run of a plan, kept as it ends.
- `run`: one run, in this process.
- `dispatch`: runs go out, results come in; what was lost goes out again.
- `cluster`, `worker`: where they go, and what happens there.
- `data`: whether the data can be loaded there.
- `progress`: how it goes.
"""
