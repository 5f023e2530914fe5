"""What the tests share: the simulator, with an empty book before each of them."""

import unittest

program = None
simulator = None


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.simulator = simulator
        simulator.forget()


class AsyncCase(unittest.IsolatedAsyncioTestCase):
    maxDiff = None

    def setUp(self):
        self.simulator = simulator
        simulator.forget()
