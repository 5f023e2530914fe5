"""Tests the simulator with clients that others wrote: `run.py PROGRAM`, where PROGRAM is `herald`.

It ends with a line as cargo's tests do. A test that is skipped counts as failed.
"""

import os
import signal
import sys
import unittest

import case
from simulator import Simulator

MODULES = ["test_apns", "test_fcm", "test_webpush", "test_contract"]


def main(program):
    # a time-out of the caller's ends the simulator too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    simulator = Simulator(program)
    try:
        case.program, case.simulator = program, simulator
        # what is built on requests trusts this and nothing else
        os.environ["REQUESTS_CA_BUNDLE"] = simulator.ca_file
        suite = unittest.defaultTestLoader.loadTestsFromNames(MODULES)
        result = unittest.TextTestRunner(verbosity=2).run(suite)
    finally:
        simulator.stop()
    bad = len(result.failures) + len(result.errors) + len(result.skipped) + len(result.unexpectedSuccesses)
    passed = max(result.testsRun - bad, 0)
    word = "ok" if bad == 0 and passed > 0 else "FAILED"
    print(f"test result: {word}. {passed} passed; {bad} failed")
    return 0 if word == "ok" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
