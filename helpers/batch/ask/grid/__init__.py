"""Grid files: which chapters run with which parameters.

- `file`: a YAML file read so that every mistake is reported with its line.
- `schema`: what keys a grid has.
- `checks`: what it says against what the notebooks declare.
- `points`: from a grid to the runs that it asks for.
"""
