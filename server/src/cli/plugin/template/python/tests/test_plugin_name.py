import unittest

import plugin_name
from parlour_plugin import ToolError
from parlour_plugin.testing import FakeHost


class SplitBill(unittest.TestCase):
    def test_the_examples_are_true(self):
        FakeHost().check_examples()

    def test_as_a_workflow_calls_it(self):
        self.assertEqual(FakeHost().call("split_bill", {"total": 100, "guests": 3}), {"each": 33, "left_over": 1})

    def test_somebody_has_to_pay(self):
        with FakeHost(), self.assertRaises(ToolError) as caught:
            plugin_name.split_bill(total=100, guests=0)
        self.assertEqual(caught.exception.kind, "invalid_input")
