# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What one scenario made, so that it is described when the scenario fails and
removed in any case."""
import contextlib
import os
import tempfile

from .guardian import guardian
from .namespace import RUN, Namespace


class World:
    def __init__(self, parent=None):
        self._stack = contextlib.ExitStack()
        self._told = []
        self.directory = tempfile.mkdtemp(prefix=f"{RUN}-", dir=parent)
        # Servers that give up root must still get through.
        os.chmod(self.directory, 0o755)
        guardian.watch("directory", self.directory)
        self._stack.callback(guardian.remove, "directory", self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._stack.close()

    def namespace(self, role):
        made = Namespace(role)
        self._stack.callback(made.close)
        return made

    def keep(self, thing):
        """Closes the thing at the end; tells of it on failure when it can."""
        end = getattr(thing, "close", None) or thing.kill
        self._stack.callback(end)
        if hasattr(thing, "describe"):
            self._told.append(thing)
        return thing

    def path(self, *parts):
        whole = os.path.join(self.directory, *parts)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        return whole

    def describe(self):
        return [line for thing in self._told for line in thing.describe()]
