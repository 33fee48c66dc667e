"""`deepseek-agent serve --gpu-metrics`, with a fake of the driver's library (tests/agent/gpu/fake_nvml.cc)."""
import json
import os
import sys
import threading

from agent_case import AGENT, DEMO, AgentCase, main
from serve_case import Server

FAKE = sys.argv[3]
POD = {"POD_NAME": "chat-0", "POD_NAMESPACE": "team-a"}
ASK = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "max_tokens": 8}


def series(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("DCGM_")}


class ServeGpu(AgentCase):
    def serve(self, *flags, fake=True, **env):
        # Without the fake a file that is no library lies there, before what this machine may have.
        path = FAKE if fake else self.empty_driver()
        server = Server(AGENT, DEMO, "--drain-delay", "0s", *flags, env={"LD_LIBRARY_PATH": path, **POD, **env})
        self.addCleanup(server.stop)
        return server

    def empty_driver(self):
        with open(self.path("libnvidia-ml.so.1"), "w", encoding="utf-8"):
            return self.tmp

    def answers(self, server):
        self.assertEqual(server.call("POST", "/v1/chat/completions", ASK)[0], 200)
        status, text = server.probe("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("vllm:request_success_total", text)
        return series(text)

    def test_every_gpu_with_its_pod(self):
        server = self.serve("--gpu-metrics", "on", FAKE_NVML_GPUS="2", FAKE_NVML_XIDS="1:79",
                            FAKE_NVML_FAIL="nvmlDeviceGetTemperature@1=3,nvmlDeviceGetUtilizationRates@0=999")
        wanted = {}
        first = {"FB_USED": 1024, "FB_FREE": 80895, "XID_ERRORS": 0, "POWER_USAGE": 123.25, "GPU_TEMP": 55}
        second = {"GPU_UTIL": 41, "FB_USED": 2048, "FB_FREE": 79871, "XID_ERRORS": 79, "POWER_USAGE": 124.25}
        for gpu, values in enumerate((first, second)):
            for name, value in values.items():
                wanted[f'DCGM_FI_DEV_{name}{{UUID="GPU-fake-{gpu}",gpu="{gpu}",namespace="team-a",pod="chat-0"}}'] = value
        self.assertEqual(self.answers(server), wanted)
        self.assertEqual(server.wait_for("GPU metrics")["gpus"], 2)
        self.assertEqual(server.wait_for("GPU error (XID)")["xid"], 79)
        unread = server.wait_for("a GPU's metric could not be read")
        self.assertEqual(unread["why"], "nvmlDeviceGetUtilizationRates: Unknown Error (999)")
        self.assertEqual(server.stop(), 0)

    def test_the_variable_is_the_flag(self):
        self.assertEqual(len(self.answers(self.serve(DEEPSEEK_GPU_METRICS="auto"))), 6)

    def test_off_loads_nothing(self):
        for flags in ([], ["--gpu-metrics", "off"]):
            server = self.serve(*flags)
            self.assertEqual(self.answers(server), {})
            with open(f"/proc/{server.process.pid}/maps", encoding="utf-8") as maps:
                self.assertNotIn("libnvidia-ml", maps.read())
            self.assertEqual([line for line in server.lines if "GPU" in line], [])

    def test_without_gpus_it_serves_and_says_so_in_one_line(self):
        for mode, level in (("on", "warn"), ("auto", "info")):
            for fake, env, why in ((False, {}, "libnvidia-ml.so.1"), (True, {"FAKE_NVML_GPUS": "0"}, "no GPU"),
                                   (True, {"FAKE_NVML_FAIL": "nvmlInit_v2=9"}, "Driver Not Loaded")):
                with self.subTest(mode=mode, why=why):
                    server = self.serve("--gpu-metrics", mode, fake=fake, **env)
                    self.assertEqual(self.answers(server), {})
                    said = [json.loads(line) for line in server.lines if "GPU" in line]
                    self.assertEqual([(record["level"], record["msg"]) for record in said], [(level, "no GPU metrics")])
                    self.assertIn(why, said[0]["why"])
                    server.stop()

    def test_a_driver_that_does_not_answer_keeps_no_probe_waiting(self):
        fifo = self.path("fifo")
        os.mkfifo(fifo)
        server = self.serve("--gpu-metrics", "on", FAKE_NVML_BLOCK=fifo)
        answers = []
        scrape = threading.Thread(target=lambda: answers.append(server.probe("/metrics")), daemon=True)
        scrape.start()
        with open(fifo, "w", encoding="utf-8"):  # opens when the call is made, which ends when this is closed
            self.assertEqual(server.probe("/health")[0], 200)
            status, text = server.probe("/metrics")
            self.assertEqual((status, series(text)), (200, {}))
        scrape.join(60)
        self.assertEqual(answers[0][0], 200)
        self.assertEqual(len(series(answers[0][1])), 6)


main()
