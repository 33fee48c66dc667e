#!/usr/bin/env python3
"""bench/operator: counting requests in the audit log, what is computed from them, and the peer's objects."""
import json
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "bench", "operator"), os.path.join(ROOT, "e2e")]
import argo  # noqa: E402
import audit  # noqa: E402
import figures  # noqa: E402
import ours  # noqa: E402

USER = "system:serviceaccount:deepseek-system:x"


def line(verb, resource, sub=None, user=USER, stage="ResponseComplete"):
    what = {"resource": resource, "namespace": "n", "name": "m"}
    if sub:
        what["subresource"] = sub
    return json.dumps({"stage": stage, "verb": verb, "user": {"username": user}, "objectRef": what})


class Audit(unittest.TestCase):
    def test_lines(self):
        self.assertEqual(audit.request(line("patch", "rollouts", "status"), USER), "patch rollouts/status")
        self.assertEqual(audit.request(line("create", "events"), USER), "create events")
        self.assertIsNone(audit.request(line("create", "events", user=USER + "y"), USER))
        self.assertIsNone(audit.request(line("create", "events", user="other"), USER))
        no_object = json.dumps({"stage": "ResponseComplete", "verb": "get", "user": {"username": USER}})
        self.assertEqual(audit.request(no_object, USER), "get none")

    def test_a_watch_counts_once_when_it_begins(self):
        self.assertEqual(audit.request(line("watch", "pods", stage="ResponseStarted"), USER), "watch pods")
        self.assertIsNone(audit.request(line("watch", "pods"), USER))
        self.assertIsNone(audit.request(line("list", "pods", stage="ResponseStarted"), USER))

    def test_leases_and_reviews_are_no_work(self):
        requests = {"update leases": 50, "create tokenreviews": 2, "create subjectaccessreviews": 2, "create events": 3,
                    "patch rollouts/status": 4, "list pods": 1, "get leases": 9, "watch pods": 1}
        self.assertEqual(audit.count(requests, audit.WRITES), 7)
        self.assertEqual(audit.count(requests, audit.READS), 1)

    def test_the_log_is_read_on_over_half_lines_and_a_new_file(self):
        with tempfile.TemporaryDirectory() as tmp:
            path = os.path.join(tmp, "audit.log")

            def append(text):
                with open(path, "a", encoding="utf-8") as out:
                    out.write(text)
            append(line("create", "events") + "\n")  # from before
            log = audit.Log(path, USER)
            self.assertEqual(log.requests(), {})
            whole = line("patch", "pods") + "\n"
            append(whole + whole[:20])
            self.assertEqual(log.requests(), {"patch pods": 1})
            append(whole[20:])
            first = log.requests()
            self.assertEqual(first, {"patch pods": 2})
            append(whole)
            os.rename(path, path + ".1")
            append(whole)
            self.assertEqual(log.requests(), {"patch pods": 4})
            self.assertEqual(log.requests() - first, {"patch pods": 2})
            log.close()


class Figures(unittest.TestCase):
    def out(self, cpu, writes, memory):
        out = {"made": 100, "memory_empty_mb": 10.0, "memory_mb": memory, "objects": 1024, "idle_percent_of_a_core": 0.5}
        out.update(figures.phase("create", cpu, {"create pods": writes - 200, "create events": 200, "get pods": 1,
                                                   "update leases": 7}))
        out.update(figures.phase("changes", cpu / 2, {"patch pods": writes}))
        out.update(figures.phase("restart", 1.0, {}))
        return figures.derive(out)

    def test_per_write_and_per_object(self):
        out = self.out(2.0, 1000, 30.0)
        self.assertEqual((out["create_writes"], out["create_reads"]), (1000, 1))
        self.assertEqual(out["create_requests"], {"create events": 200, "create pods": 800, "get pods": 1, "update leases": 7})
        self.assertEqual((out["cpu_ms_per_write"], out["cpu_ms_per_write_of_changes"]), (2.0, 1.0))
        self.assertEqual((out["cpu_ms_per_write_but_events"], out["cpu_ms_per_made"]), (2.5, 20.0))
        self.assertEqual((out["memory_kb_per_object"], out["memory_growth_kb_per_object"]), (30.0, 20.0))

    def test_ratios_and_text(self):
        both = {"ours": self.out(1.0, 1000, 20.0), "argo": self.out(4.0, 500, 50.0)}
        self.assertEqual(figures.ratios(both)["argo"]["cpu_ms_per_write"], 1 / 8)
        self.assertEqual(figures.ratios(both)["argo"]["memory_growth_kb_per_object"], 1 / 4)
        self.assertEqual(figures.ratios({"argo": both["argo"]}), {})
        text = figures.text(both)
        self.assertRegex(text, r"cpu_ms_per_write +1\.000 +8\.000 +0\.125")
        self.assertIn("argo create_requests: 200 create events, 300 create pods, 1 get pods, 7 update leases", text)


    def test_turns(self):
        text = figures.turns_text({"ours": {"create": [1.0, 0.5, 0.6], "changes": [1.0] * 3},
                                   "argo": {"create": [2.0, 2.0, 1.0], "changes": [4.0] * 3}})
        self.assertRegex(text, r"ours / argo +0\.250 / 0\.500 / 0\.600 +0\.250 / 0\.250 / 0\.250")
        self.assertRegex(text, r"\nours +0\.500 / 0\.600 / 1\.000")


class Subjects(unittest.TestCase):
    def test_settled(self):
        self.assertEqual(ours.settled("1 1 True False\n2 1 True False\n1 1 True True\n1 <none> <none> <none>\n"), 1)
        self.assertEqual(argo.settled("1 1 Healthy\n2 1 Healthy\n1 1 Progressing\n1 <none> <none>\n"), 1)

    def test_latency_is_of_what_came_between(self):
        def text(*counts):
            return "\n".join(f'controller_runtime_reconcile_time_seconds_bucket{{controller="c",le="{bound}"}} {n}'
                             for bound, n in zip(("0.001", "0.01", "+Inf"), counts))
        before, after = ours.buckets(text(100, 100, 100)), ours.buckets(text(150, 198, 200))
        self.assertEqual(ours.latency(before, after), [0.001, float("inf")])

    def test_a_rollout_carries_the_pods_that_ours_makes(self):
        template = argo.rendered_template()
        made = argo.rollout("m1", template)
        self.assertEqual(made["spec"]["template"]["spec"], template["spec"])
        self.assertEqual(made["spec"]["selector"]["matchLabels"], made["spec"]["template"]["metadata"]["labels"])
        self.assertIn("--max-batch", template["spec"]["containers"][0]["args"])
        self.assertNotEqual(template["metadata"], made["spec"]["template"]["metadata"], "it is copied, not changed")


if __name__ == "__main__":
    unittest.main()
