"""The API against its own description: schemathesis makes requests of `/openapi.json`, good and bad, and checks every answer with all its checks."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

import case
from program import PATIENCE, Program

# Seconds that making up requests, and following one answer with the next request, may take for each credential.
SECONDS = 30
KEY = "herald_dev_key"

# What the description cannot say is refused by its meaning: a category that is not declared is 422, an `If-Match` of another version 412.
SETTINGS = """
# What it learns from refusals is a guess: where one of two members is needed it takes both for required.
[phases.fuzzing.error-feedback]
enabled = false

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "413", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422"]

# A batch is taken as a whole and says of each notification whether it was.
[[operations]]
include-name = "POST /v1/notifications/batch"

[operations.checks.negative_data_rejection]
expected-statuses = ["202", "400", "401", "403", "404", "405", "409", "412", "413", "415", "422"]
"""


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="herald-contract-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        (cls.folder / "schemathesis.toml").write_text(SETTINGS)
        log = (cls.folder / "log").open("w")
        cls.addClassCleanup(log.close)
        # credentials that do not do would soon be too many for one address
        env = os.environ | {"HERALD__LIMITS__PER_ADDRESS": "100000/s"}
        cls.daemon = Program(case.program, "dev", "--listen", "127.0.0.1:0", stderr=log, env=env)
        cls.addClassCleanup(cls.daemon.stop)

    def key(self, *scopes):
        body = json.dumps({"name": "contract", "scopes": scopes}).encode()
        request = urllib.request.Request(f"{self.daemon.url}/v1/keys", data=body, method="POST")
        request.add_header("content-type", "application/json")
        request.add_header("authorization", f"Bearer {KEY}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["key"]

    def walk(self, authorization, *options):
        command = [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file", "schemathesis.toml",
            "run", f"{self.daemon.url}/openapi.json",
            "--checks", "all", "--continue-on-failure", "--no-color", "--seed", "1",
            *options,
        ]
        if authorization:
            command += ["--header", f"Authorization: {authorization}"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
        failures = done.stdout.partition("= FAILURES =")[2] or done.stdout[-4000:]
        self.assertEqual(done.returncode, 0, failures + done.stderr)

    def test_what_the_description_covers(self):
        self.walk(f"Bearer {KEY}", "--phases", "examples,coverage")

    def test_what_is_made_up_of_the_description(self):
        self.walk(f"Bearer {KEY}", "--phases", "fuzzing,stateful", "--max-examples", "15", "--max-time", str(SECONDS))

    def test_credentials_that_do_not_do(self):
        key = self.key("read")
        for authorization in [None, "Bearer nobody", "Bearer a.b.c", "Basic bm86Ym9keQ==", f"Bearer {key}"]:
            with self.subTest(authorization=authorization):
                self.walk(authorization, "--phases", "fuzzing", "--max-examples", "3", "--max-time", str(SECONDS))
