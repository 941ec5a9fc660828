"""What roles of the book share: what is wrong is reported at the role's line, as Sphinx does."""

from docutils import nodes
from sphinx.util.docutils import SphinxRole

from helpers.batch.errors import BatchError


class Role(SphinxRole):
    """A role that says by an error of the book what is wrong with its text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Fill the role's place, or show its text as it was written, with the error."""
        try:
            return self.fill(), []
        except BatchError as error:
            message = self.inliner.reporter.error(str(error), line=self.lineno)
            return [nodes.problematic(self.rawtext, self.rawtext)], [message]

    def fill(self) -> list[nodes.Node]:
        """Return what stands in the page in the role's place."""
        raise NotImplementedError
