#!/usr/bin/env python3
"""Shares, ratios and parsing of bench/compare.py, against figures worked out by hand."""
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))
import compare  # noqa: E402


def ours(**changes):
    result = {"compute": "int8", "prefill_tokens_per_s": {"median": 200.0}, "decode_tokens_per_s": {"median": 50.0},
              "active_parameters": 1_000_000_000, "prefill_flops_per_token": 1.5e9, "decode_flops_per_token": 2e9,
              "weight_bytes_per_token": 500_000_000, "kv_bytes_read_per_token": 100_000_000}
    return dict(result, **changes)


class Shares(unittest.TestCase):
    PEAKS = {"int8": 1000.0, "bf16": 500.0, "fp32": 250.0}
    BANDWIDTH = {"best": 60.0, "median": 50.0}

    def test_prefill_counts_active_parameters_and_what_was_computed(self):
        got = compare.shares("pp512", ours(), self.BANDWIDTH, self.PEAKS)
        self.assertAlmostEqual(got["prefill_share"], 2 * 1e9 * 200 / 1000e9)
        self.assertAlmostEqual(got["prefill_share_computed"], 1.5e9 * 200 / 1000e9)

    def test_each_compute_type_has_its_own_peak(self):
        bf16 = compare.shares("pp512", ours(compute="bf16"), self.BANDWIDTH, self.PEAKS)
        self.assertAlmostEqual(bf16["prefill_share"], 0.8)
        # A CPU without the narrow instruction computes in fp32.
        old = compare.shares("pp512", ours(), self.BANDWIDTH, {"fp32": 250.0})
        self.assertAlmostEqual(old["prefill_share"], 1.6)

    def test_decode_moves_weights_and_cache(self):
        got = compare.shares("tg64", ours(), self.BANDWIDTH, self.PEAKS)
        self.assertAlmostEqual(got["bandwidth_share"], 50 * 0.6e9 / 50e9)
        self.assertAlmostEqual(got["bandwidth_share_of_best"], 50 * 0.6e9 / 60e9)
        self.assertEqual(got["bound"], "memory")
        self.assertAlmostEqual(got["bound_share"], got["bandwidth_share"])

    def test_a_batch_can_be_bound_by_compute(self):
        batch = ours(weight_bytes_per_token=10_000_000, kv_bytes_read_per_token=0)
        got = compare.shares("batch32", batch, self.BANDWIDTH, self.PEAKS)
        self.assertEqual(got["bound"], "compute")  # the bus allows 5000 tokens/s, the multipliers 500
        self.assertAlmostEqual(got["bound_share"], 50 / 500)


class Readings(unittest.TestCase):
    def test_membw(self):
        text = "avx2 ...\nbest with 1 thread: 30.61 GB/s (median of that case 29.00)\n" \
               "best with 2 threads: 60.80 GB/s (median of that case 58.25)\n"
        self.assertEqual(compare.parse_membw(text), {"best": 60.8, "median": 58.25})

    def test_vnni_takes_the_better_width_and_the_asked_threads(self):
        text = ("clock by a chain of multiplications: 3.70 GHz\n"
                "int8 vpdpbusd 512   threads 1  best    472.4  median    472.0  mean     17.3 Gop/s\n"
                "int8 vpdpbusd 512   threads 2  best    944.7  median    944.0  mean     47.4 Gop/s\n"
                "int8 vpdpbusd 256   threads 2  best    950.0  median    941.8  mean     42.6 Gop/s\n"
                "fp32 fma 256        threads 2  best    235.8  median    235.5  mean      9.5 Gop/s\n")
        self.assertEqual(compare.parse_vnni(text, 2), {"int8": 950.0, "fp32": 235.8})
        self.assertEqual(compare.parse_vnni(text, 1), {"int8": 472.4})

    def test_the_bandwidth_of_a_pair_is_the_mean_around_it(self):
        self.assertEqual(compare.between({"best": 60, "median": 50}, {"best": 50, "median": 40}),
                         {"best": 55, "median": 45, "steady": True})
        self.assertFalse(compare.between({"best": 60, "median": 39}, {"best": 50, "median": 50})["steady"])


class Summary(unittest.TestCase):
    def row(self, cpu=0.95, steady=(True, True, True)):
        def pair(mine, theirs, share, steady):
            return {"ours": {"tokens_per_s": mine, "cpu_share": cpu}, "load": 2.0,
                    "membw": {"best": 60.0, "median": mine / 2, "steady": steady},
                    "peers": {"Q4_0": {"tokens_per_s": theirs, "cpu_share": 0.9}},
                    "shares": {"bandwidth_share": share, "bound_share": share, "bound": "memory"}}
        return {"model": "m", "weights": "int4", "case": "tg64",
                "pairs": [pair(100.0, 50.0, 0.8, steady[0]), pair(90.0, 30.0, 0.7, steady[1]),
                          pair(120.0, 60.0, 0.9, steady[2])]}

    def test_ratios_are_taken_within_pairs(self):
        row = compare.summary(self.row())
        self.assertEqual(row["ours"], {"min": 90.0, "median": 100.0, "max": 120.0, "n": 3})
        self.assertEqual(row["peers"]["Q4_0"]["ratio"], {"min": 2.0, "median": 2.0, "max": 3.0, "n": 3})
        self.assertEqual(row["bandwidth_share"], 0.8)
        self.assertTrue(row["quiet"])

    def test_shares_are_of_pairs_around_which_the_memory_kept_its_speed(self):
        row = compare.summary(self.row(steady=(False, True, False)))
        self.assertEqual((row["bandwidth_share"], row["steady"]), (0.7, 1))
        self.assertEqual(row["peers"]["Q4_0"]["ratio"]["n"], 3)  # nothing is left out of the ratios
        self.assertIn("70 % of bus (1 of 3 pairs: else the memory's speed changed)", "\n".join(compare.lines(row)))
        none = compare.summary(self.row(steady=(False, False, False)))
        self.assertEqual((none["bandwidth_share"], none["steady"]), (0.8, 0))
        self.assertIn("(0 of 3 pairs", "\n".join(compare.lines(none)))

    def test_the_memorys_speed_stands_beside_the_figures(self):
        self.assertIn("memory 45 / 50 / 60 GB/s", "\n".join(compare.lines(compare.summary(self.row()))))

    def test_a_crowded_run_says_so(self):
        row = compare.summary(self.row(cpu=0.4))
        self.assertFalse(row["quiet"])
        text = "\n".join(compare.lines(row))
        self.assertIn("CROWDED", text)
        self.assertIn("ours / peer 2.00 / 2.00 / 3.00", text)
        self.assertIn("80 % of bus", text)


class Text(unittest.TestCase):
    MACHINE = {"time": "t", "cpu": "c", "threads": 2, "revision": "r", "membw": {"best": 60.0, "median": 50.0},
               "membw_after": {"best": 59.0, "median": 49.0}, "peaks": {"int8": 900.0}}

    def test_markdown_has_a_line_for_each_peer_and_one_without(self):
        row = compare.summary(Summary().row())
        alone = compare.summary(Summary().row(cpu=0.5))
        row["agent"] = alone["agent"] = {}
        alone["peers"] = {}
        lines = compare.markdown(self.MACHINE, [row, alone]).splitlines()
        self.assertEqual(len([line for line in lines if line.startswith("| m |")]), 2)
        self.assertIn("| Q4_0 | 30.0 / **50.0** / 60.0 | 2.00 / **2.00** / 3.00 | 80 % of bus | 45 / **50** / 60 | 0.95, 0.90 |", lines[4])
        self.assertIn("0.50 crowded", lines[5])

    def test_profiles_follow_the_table(self):
        op = {"name": "experts", "calls": 7.0, "milliseconds": 1.5, "share": 0.75, "cpu_share": 0.9,
              "cpu_milliseconds": 2.7, "bytes": 2e6, "gb_per_s": 1.3, "gflop_per_s": 4.0, "gflop_per_cpu_s": 2.0}
        row = compare.summary(Summary().row())
        row["agent"] = {"profile": {"decode": {"operations": [op], "total": dict(op, name="total")}}}
        text = compare.markdown(self.MACHINE, [row])
        self.assertRegex(text, r"experts +7\.0 +1\.500 +75\.0% +0\.90 +2\.700 +2\.00")
        self.assertIn("total", text)


if __name__ == "__main__":
    unittest.main()
