"""`herald simulate`, started once for all tests, and its control view."""

import json
import tempfile
import time
import tomllib
import urllib.parse
import urllib.request
from pathlib import Path

from program import PATIENCE, Program


class Simulator(Program):
    """The process, the files it has written for clients, and what it was sent."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="herald-clients-")
        config = Path(self.folder.name) / "herald.toml"
        super().__init__(program, "simulate", "--listen", "127.0.0.1:0", "--write-config", str(config))
        self.app = tomllib.loads(config.read_text())["apps"]["demo"]

    def stop(self):
        super().stop()
        self.folder.cleanup()

    @property
    def ca_file(self):
        return self.app["apns"]["ca_file"]

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/simulator/{path}", data=data, method=method)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def forget(self):
        """An empty book, and nothing that misbehaves by a rule."""
        self.behave([])
        self._call("DELETE", "pushes")

    def behave(self, rules):
        self._call("PUT", "behaviours", {"rules": rules})

    def stats(self):
        return self._call("GET", "stats")

    def subscribe(self, name):
        return self._call("POST", "subscriptions", {"id": name})

    def pushes(self, token):
        query = urllib.parse.urlencode({"device_token": token})
        return self._call("GET", f"pushes?{query}")["items"]

    def push(self, token, status=200):
        """The last push to a token that was answered so. The book may be a moment behind the answer."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            pushes = [push for push in self.pushes(token) if push["status"] == status]
            if pushes:
                return pushes[-1]
        raise AssertionError(f"nothing with status {status} in the book of {token}")
