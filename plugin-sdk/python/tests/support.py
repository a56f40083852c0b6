"""A plugin in the middle of a test: its module is the test, so each begins with nothing declared."""

import tempfile
import unittest
from pathlib import Path

from parlour_plugin import declaration, project

MANIFEST = """
[project]
name = "wine-list"
version = "0.2.0"
license = "MIT"
urls = { Homepage = "https://example.com" }
"""


class PluginTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "pyproject.toml").write_text(MANIFEST)
        (self.folder / "icon.svg").write_text("<svg/>\n")
        declaration.declared.__init__()

    def plugin(self, **options):
        declaration.plugin(**({"description": "Helps to choose a wine."} | options))
        declaration.declared.file = self.folder / "src" / "wine_list.py"

    def manifest(self):
        return declaration.declared.manifest()

    def refused(self, kind, words, call, *arguments):
        """The call fails so."""
        from parlour_plugin import ToolError

        with self.assertRaises(ToolError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.kind, kind)
        self.assertIn(words, str(caught.exception))


__all__ = ["PluginTest", "project"]
