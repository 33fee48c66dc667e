"""Requests of one user as the API server saw them: its audit log, which counts every program in the same way.

The cluster's audit policy (e2e/cluster/lib/components.sh) notes the service accounts of deepseek-system alone."""
import collections
import json
import os

WRITES = ("create", "update", "patch", "delete", "deletecollection")
READS = ("get", "list")
# Of the election, and of judging who may read metrics: no work on objects.
APART = ("leases", "tokenreviews", "subjectaccessreviews")


def request(line, user):
    """"verb resource" or "verb resource/subresource" of a line of the log; None if it is of another user, or if it is
    only the beginning of an answer that has a line of its own at its end."""
    if user not in line:
        return None
    event = json.loads(line)
    if event["user"]["username"] != user:
        return None
    # A watch ends long after it began: it counts when it begins.
    if event["stage"] != ("ResponseStarted" if event["verb"] == "watch" else "ResponseComplete"):
        return None
    what = event.get("objectRef") or {}
    sub = what.get("subresource")
    return f"{event['verb']} {what.get('resource', 'none')}" + (f"/{sub}" if sub else "")


def count(requests, verbs):
    """How many of {"verb resource": n} have one of these verbs and are work."""
    return sum(n for what, n in requests.items()
               if what.split(" ")[0] in verbs and what.split(" ")[1].split("/")[0] not in APART)


class Log:
    """Reads on at each look; goes over to the new file when the API server begins one."""

    def __init__(self, path, user):
        self.path, self.user, self.file, self.rest = path, user, None, ""
        self.seen = collections.Counter()
        self._open()
        self.file.seek(0, os.SEEK_END)

    def _open(self):
        self.file = open(self.path, encoding="utf-8")
        self.rest = ""

    def _take(self):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        for line in lines:
            what = request(line, self.user)
            if what:
                self.seen[what] += 1

    def requests(self):
        """All requests since the log was opened: a copy of the counts."""
        self._take()
        while os.stat(self.path).st_ino != os.fstat(self.file.fileno()).st_ino:
            self._take()  # what came between the last look and the change
            self.file.close()
            self._open()
            self._take()
        return collections.Counter(self.seen)

    def close(self):
        self.file.close()
