"""Small counts of what bench/edge does in full: hostile bodies beside honest clients, SIGTERM under load."""
import os
import sys

from agent_case import AGENT, DEMO, ROOT, AgentCase, main
from serve_case import Server

sys.path.insert(0, os.path.join(ROOT, "bench", "edge"))
import abuse  # noqa: E402


class ServeAbuse(AgentCase):
    def test_hostile_bodies_harm_only_themselves(self):
        server = Server(AGENT, DEMO)
        self.addCleanup(server.stop)
        figures = abuse.hostile(server, 100, seed=7)
        self.assertTrue(figures["alive"])
        self.assertEqual(figures["neighbours"]["wrong"], 0, figures)
        self.assertGreater(figures["neighbours"]["answers"], 0)
        self.assertEqual(sum(figures["statuses"].values()), 100)
        self.assertLessEqual(set(figures["statuses"]), {"200", "400", "413", "404"}, figures)

    def test_sigterm_under_load_cuts_and_refuses_nothing(self):
        for _ in range(2):
            server = Server(AGENT, DEMO, "--drain-delay", "1s")
            self.addCleanup(server.stop)
            figures = abuse.sigterm(server, clients=4)
            self.assertEqual((figures["cut"], figures["refused_early"], figures["exit"], figures["log_cut"]), (0, 0, 0, 0),
                             figures)
            self.assertGreaterEqual(figures["whole"], 8)


main()
