"""What a component finds in place of a terminal, files and chance. `install` itself changes the whole interpreter, so it runs in
another one."""

import logging
import random
import subprocess
import sys
import textwrap
import unittest
from unittest import mock

from parlour_plugin import surroundings
from parlour_plugin.testing import FakeHost


class Surroundings(unittest.TestCase):
    def test_lines_are_lines_of_the_log(self):
        host = FakeHost()
        with host:
            out = surroundings.LogLines("info")
            print("one", 2, file=out)
            print("half", end="", file=out, flush=True)
            print(" and half\n\nthree", end="", file=out)
            out.write("x" * 10_000)
            out.end()
            out.end()
            print("\ud800", file=out)
        self.assertEqual(host.logs[:3], [("info", "one 2"), ("info", "half and half"), ("info", "")])
        self.assertEqual((len(host.logs[3][1]), host.logs[4:]), (surroundings.LONGEST_LINE, [("info", "?")]))
        with self.assertRaises(TypeError):
            out.write(b"bytes")

    def test_logging_has_levels(self):
        host = FakeHost()
        logger = logging.Logger("test", logging.DEBUG)
        logger.addHandler(surroundings.LogHandler())
        with host:
            for level in ("debug", "info", "warning", "critical"):
                getattr(logger, level)("%s\nmore", level)
        self.assertEqual([level for level, _ in host.logs[::2]], ["debug", "info", "warn", "error"])

    def test_random_begins_anew_with_what_the_host_gives(self):
        for stream in ("stdin", "stdout", "stderr"):
            self.enterContext(mock.patch.object(sys, stream, getattr(sys, stream)))
        self.enterContext(mock.patch.object(sys, "meta_path", list(sys.meta_path)))
        with FakeHost():
            random.seed(1)
            surroundings.begin()
            first = random.random()
            random.seed(2)
            surroundings.begin()
            self.assertEqual(random.random(), first)
        self.assertNotEqual(first, random.Random(1).random())

    def test_what_is_not_there_is_said_and_zones_are(self):
        program = """
            from parlour_plugin import surroundings
            from parlour_plugin.testing import FakeHost
            import zoneinfo, datetime
            surroundings.install()
            host = FakeHost()
            words = []
            with host:
                surroundings.begin()
                print("said")
                surroundings.end()
                for name in ("tkinter", "zoneinfo"):
                    try:
                        __import__(name)
                    except ImportError as error:
                        words.append(str(error))
                zone = zoneinfo.ZoneInfo("Asia/Shanghai")
                words.append(str(datetime.datetime(2026, 1, 1, tzinfo=zone)))
                try:
                    zoneinfo.ZoneInfo("Asia/Nowhere")
                except zoneinfo.ZoneInfoNotFoundError as error:
                    words.append(str(error))
            open(1, "w").write(repr((host.logs, words)))
        """
        # Zones of the machine itself would hide whether those of the package are found.
        run = [sys.executable, "-c", "import zoneinfo; zoneinfo.reset_tzpath([])\n" + textwrap.dedent(program)]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        logs, words = eval(done.stdout)
        self.assertEqual(logs, [("info", "said")])
        self.assertIn("there is no module `tkinter` in this plugin", words[0])
        self.assertEqual(words[1], "2026-01-01 00:00:00+08:00")
        self.assertIn("No time zone found with key Asia/Nowhere", words[2])
