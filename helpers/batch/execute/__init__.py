"""One notebook, executed in this process.

- `execution`: a run on a kernel that ends with it; `surroundings`: what that kernel is given.
- `papermilling`, `client`: papermill and nbclient as they are used here; `imports` makes their
  start fast.
- `executed`: what the executed notebook says of how it went.
- `kernels`: forked from a warm server, or ordinary ones.
"""
