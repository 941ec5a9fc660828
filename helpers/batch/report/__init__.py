"""What a batch has found.

- `collection`: a batch's folder, read strictly.
- `tables`: tables for further work.
- `data` and `page`: one HTML page that needs nothing else; the book's matrix sorts by its script.
- `writing`: all of these files, and lines for the terminal.
"""
