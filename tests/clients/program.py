"""A program of ours that says `ready URL` once it serves, and its end."""

import selectors
import subprocess

# Seconds; nothing here takes as many unless it hangs.
PATIENCE = 20


class Program:
    def __init__(self, *command, **options):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
        try:
            self.url = self._ready()
        except BaseException:
            self.stop()
            raise

    def _ready(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(PATIENCE):
                raise TimeoutError("the program does not start")
        word, _, url = self.process.stdout.readline().strip().partition(" ")
        if word != "ready":
            raise RuntimeError("the program ended before it was ready")
        return url

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
