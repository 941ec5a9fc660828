"""What is executed to be committed.

- `refresh`: the notebooks, executed in place and normalized.
- `confirm`: the claims, judged on seeds that nobody has looked at. `replicate`: by a grid.
"""
