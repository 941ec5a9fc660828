"""Kernels for papermill.

- `forkserver`: a process that has imported TensorFlow once and forks a kernel for each run.
- `choosing`: which kind serves a notebook.
- `managing`: the side of whoever wants a kernel, forked or ordinary.
- `talking`: how it is told that a kernel is ready.
- `ordinary`: an ordinary kernel that ends with the process that started it; a script.
"""
