"""Finding and killing the process of a container from the node, as the kernel's OOM killer would."""
import os
import signal


def pids_of_pod(pod, program):
    """Processes of that program in the pod, found by the pod's uid in their cgroup."""
    uid = pod["metadata"]["uid"]
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cgroup", encoding="utf-8") as file:
                mine = uid in file.read().replace("_", "-")
            if mine and os.path.basename(os.readlink(f"/proc/{entry}/exe")) == program:
                found.append(int(entry))
        except OSError:
            continue  # it ended while we looked
    return found


def kill_in_pod(pod, program):
    """SIGKILL to the program in the pod; returns how many processes got it."""
    pids = pids_of_pod(pod, program)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return len(pids)


def restarts(pod):
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", []))
