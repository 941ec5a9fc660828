import subprocess
import sys

SCRIPT = """
import sys
from helpers.batch.execute.imports import without_url_grammar

with without_url_grammar():
    import jsonschema
print("lark" in sys.modules, "rfc3987_syntax" in sys.modules)
jsonschema.validate({"a": 1}, {"properties": {"a": {"type": "integer"}}})
import rfc3987_syntax
print(rfc3987_syntax is not None)
"""


def test_jsonschema_is_imported_without_the_grammar_which_stays_importable():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False False\nTrue\n", "")
