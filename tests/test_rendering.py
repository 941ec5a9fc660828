"""A rendering goes on from the last one, comes to what a whole one comes to, and hides nothing."""

import base64
import json
import re
import shutil
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.batch.errors import ConfigurationError, RenderError
from helpers.batch.site import rendering as rendering_module
from helpers.batch.site.rendering import NOTE, Rendering
from helpers.batch.site.sources import contents
from tests.small_books import make_book
from tests.test_overview import PNG

ONE, TWO = "book/01_one.ipynb", "book/02_two.ipynb"
INDEX = """# A book

{numref}`fig-two`, {ref}`a-place`, and {doc}`02_two`.

:::{gallery}
fig-two: It rises.
:::

```{tableofcontents}
```

```{bibliography}
```
"""
BIB = b"""@book{a, title={A title}, author={Ann Author}, year=2001, publisher={P}}
@book{b, title={Another}, author={Ann Author}, year=2001, publisher={P}}
"""


def pixel(shade):
    """Return a PNG of one pixel that differs from others by what is appended to it."""
    return base64.b64encode(base64.b64decode(PNG) + bytes([shade])).decode()


def chapter(title, figure, *, shade=0, prose="Prose."):
    output = new_output("display_data", data={"image/png": pixel(shade)})
    metadata = {
        "mystnb": {"figure": {"name": figure, "caption": "Rises."}, "image": {"alt": "A line."}}
    }
    cells = [
        new_markdown_cell(f"# {title}\n\n{prose}", id="top"),
        new_code_cell("1", id="code", outputs=[output], metadata=metadata, execution_count=1),
    ]
    language = {"language_info": {"name": "python"}}
    return json.dumps(new_notebook(cells=cells, metadata=language)).encode()


class Book:
    """The files of a book, and its rendering."""

    def __init__(self, folder):
        root = make_book(folder, "01_one", "02_two", index=INDEX)
        (root / "book" / "glossary.md").unlink()
        text = "(a-place)=\n## Place\n\nWords, {cite}`a`."
        (root / ONE).write_bytes(chapter("One", "fig-one", prose=text))
        (root / TWO).write_bytes(chapter("Two", "fig-two", shade=2))
        self.pages, self.others = contents(root)
        self.others[Path("book/references.bib")] = BIB
        self.rendering = Rendering(folder / ".rendering")

    def change(self, page, data):
        self.pages[Path(page)] = data if isinstance(data, bytes) else data.encode()

    def render(self):
        """Render; return the site's files."""
        self.rendering.render(self.pages, self.others)
        site = self.rendering.pages
        found = {path.relative_to(site).as_posix(): path for path in site.rglob("*")}
        return {name: path.read_bytes() for name, path in found.items() if path.is_file()}

    def times(self):
        """Return when each page was written."""
        found = (self.rendering.pages / "book").glob("*.html")
        return {path.stem: path.stat().st_mtime_ns for path in found}

    def render_afresh(self):
        shutil.rmtree(self.rendering.folder)
        return self.render()


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


@pytest.fixture
def written(monkeypatch):
    """Return which pages the last rendering wrote, as it goes on or starts afresh."""
    calls = []
    run = Rendering._run

    def noted(self, again):
        calls.append(again)
        run(self, again)

    monkeypatch.setattr(rendering_module.Rendering, "_run", noted)
    return calls


def changed(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.slow
def test_what_goes_on_from_the_last_rendering_is_what_a_whole_one_makes(book, written):
    first = book.render()
    times = book.times()
    # A sentence: its own page, and what holds the sentence besides.
    book.change(
        ONE, chapter("One", "fig-one", prose="(a-place)=\n## Place\n\nMended words, {cite}`a`.")
    )
    second = book.render()
    own = {"book/01_one.html", "_sources/book/01_one.ipynb", "searchindex.js"}
    assert changed(first, second) == own
    written_again = {name for name, time in book.times().items() if time != times[name]}
    assert written_again == {"01_one", "index"}  # the first page is always written
    assert b"Mended words" in second["book/01_one.html"]
    # A picture: also where the first page shows it; the old one is gone.
    book.change(TWO, chapter("Two", "fig-two", shade=1))
    third = book.render()
    pictures = {name for name in changed(second, third) if name.startswith("_images/")}
    assert len(pictures) == 3  # the old one, the new one, and the card's
    assert "book/02_two.html" in changed(second, third)
    # A title and a number: wherever they are seen.
    book.change(TWO, chapter("Second", "fig-two", shade=1))
    book.change(ONE, chapter("One", "fig-none", prose="(a-place)=\n## Place {cite}`a`"))
    fourth = book.render()
    for page in ("book/index.html", "book/01_one.html"):
        assert b"Second" in fourth[page]
    # A citation: in the list, and the label of another one.
    book.change(TWO, chapter("Second", "fig-two", shade=1, prose="{cite}`a,b`"))
    fifth = book.render()
    assert fifth["book/index.html"].count(b"Ann Author") == 2
    assert written == [False, True, True, True, True]
    assert changed(fifth, book.render_afresh()) == set()


@pytest.mark.slow
def test_a_page_with_a_warning_never_passes_whichever_was_changed(book, written):
    book.render()
    # The label is gone from a page that is well by itself: the first page refers to it.
    book.change(ONE, chapter("One", "fig-one"))
    for _ in range(2):
        with pytest.raises(RenderError, match=r"book/index\.md.*undefined label: 'a-place'"):
            book.render()
        assert not (book.rendering.folder / NOTE).exists()
    assert written == [False, True, False]
    book.change(ONE, chapter("One", "fig-one", prose="(a-place)=\n## Place"))
    assert "book/index.html" in book.render()


@pytest.mark.slow
def test_another_configuration_or_module_starts_afresh(book, written, monkeypatch):
    book.render()
    config = Path("_config.yml")
    book.others[config] += b"\n# a remark\n"
    book.render()
    assert written == [False, False]
    before = book.rendering._identity(book.pages, book.others)
    monkeypatch.setattr(rendering_module, "renderer_digests", lambda: ["another renderer"])
    assert before != book.rendering._identity(book.pages, book.others)
    del book.pages[Path(TWO)]
    assert before != book.rendering._identity(book.pages, book.others)
    monkeypatch.undo()
    book.others[config] += b"    html_titel: x\n"
    with pytest.raises(ConfigurationError, match="Did you mean sphinx/config/html_title"):
        book.render()


def test_a_stopped_renderer_renders_no_more(book):
    book.rendering.stop()
    with pytest.raises(RenderError, match="was stopped"):
        book.render()
    assert not re.findall("html", str(list(book.rendering.folder.iterdir())))
