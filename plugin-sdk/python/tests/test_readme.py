"""What the README says to copy has to work."""

import re
import sys
import types
import unittest
from pathlib import Path

from support import PluginTest

README = Path(__file__).parents[1] / "README.md"


class Readme(PluginTest):
    def test_the_tool_of_ten_minutes_passes_its_own_test(self):
        blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        module = types.ModuleType("wine_list")
        module.__file__ = str(self.folder / "src" / "wine_list.py")
        sys.modules["wine_list"] = module
        self.addCleanup(sys.modules.pop, "wine_list")
        exec(compile(blocks[0], "wine_list.py", "exec"), module.__dict__)
        tests = types.ModuleType("test_wine_list")
        exec(compile(blocks[1], "test_wine_list.py", "exec"), tests.__dict__)
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromModule(tests).run(result)
        self.assertEqual((result.testsRun, result.failures, result.errors), (1, [], []))
