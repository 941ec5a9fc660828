"""What is asked for, checked before anything runs.

- `parameters`, `kinds`, `ranges`: what a notebook declares; `validation`: strict, of what it gets.
- `written`: what a value means that somebody typed.
- `grid`: grid files, and the runs that they ask for.
- `run`: a run that is wanted.
- `identity`, `imported`, `environment`: what makes two runs the same.
- `syntax`: a cell, read as Python.
"""
