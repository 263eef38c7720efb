#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmark's table and plot, from results whose figures are known."""

import copy
import os
import sys
import unittest
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# This file has the name of what it tests.
sys.path[0] = os.path.join(ROOT, "bench")

import plot  # noqa: E402
import report  # noqa: E402


def run(ms, sum="aa", cpu=None, host=None):
    return {"units": 10, "sum": sum, "wall": ms * 1e6, "best": ms * 1e6, "cpu": ms * 1e6,
            "host_wall": (host or ms) * 1e6, "host_cpu": (cpu or ms) * 1e6}


RESULTS = {
    "format": 1,
    "columns": ["native", "tcg", "anykvm"],
    "workloads": [
        {"name": "sort", "group": "user", "runs": {
            "native": [run(2), run(1), run(3)],
            "tcg": [run(10), run(12), run(8)],
            "anykvm": [run(40, cpu=20), run(20, cpu=20), run(40, cpu=20)]}},
        {"name": "<fork>", "group": "system", "runs": {
            "native": [run(1)], "tcg": [run(4)], "anykvm": [run(2)]}},
        {"name": "sha", "group": "user", "runs": {
            "native": [run(1)], "tcg": [run(20)], "anykvm": [run(5)]}},
        {"name": "avx", "group": "user", "runs": {
            "native": [run(1)], "tcg": [], "anykvm": [run(4)]}},
    ],
    "boots": {"tcg": [{"wall": 4, "cpu": 3, "uptime": 2}],
              "anykvm": [{"wall": 8, "cpu": 6, "uptime": 5}]},
    "memory": {"tcg": [136.0], "anykvm": [56.0, 60.0]},
    "idle_memory": 36.0,
    "scaling": {"sort": {"native": [{"1": 10, "2": 5}], "tcg": [],
                         "anykvm": [{"1": 30, "2": 20}]}},
    "api": [{"name": "PIO exit", "value": 132.2, "unit": "ns", "low": 123.4, "high": 192.8}],
    "failures": [],
    "about": {"cpu": "A CPU", "cpus": 2, "kernel": "6.1", "qemu": "QEMU 7.2",
              "guest": "linux-image", "commit": "abc", "date": "2026-01-01",
              "rounds": 3, "load": [0.5, 1.5]},
}


def cells(rows, name):
    return next(row for row in rows if row[0] == name)[1:]


class Report(unittest.TestCase):
    def setUp(self):
        self.results = copy.deepcopy(RESULTS)

    def table(self, clock="wall"):
        return report.workload_table(self.results, clock)

    def test_medians_ratios_and_spread(self):
        self.assertEqual(cells(self.table(), "sort"),
                         ["2 ms ±50%", "5.00 ±20%", "20.00 ±25%", "4.00"])

    def test_other_clock(self):
        self.assertEqual(cells(self.table("cpu"), "sort")[2:], ["10.00 ±0%", "2.00"])

    def test_skipped_workload(self):
        self.assertEqual(cells(self.table(), "avx"), ["1 ms ±0%", "-", "4.00 ±0%", "-"])

    def test_geomean_of_a_group(self):
        # tcg: 5, 20; anykvm: 20, 5, 4; anykvm x tcg: 4, 0.25.
        self.assertEqual(cells(self.table(), "geomean (user)"), ["", "10.00", "7.37", "1.00"])
        self.assertEqual(cells(self.table(), "geomean (system)"), ["", "4.00", "2.00", "0.50"])

    def test_groups_stay_together(self):
        self.assertEqual([row[0] for row in self.table()[1:]],
                         ["sort", "sha", "avx", "geomean (user)", "<fork>",
                          "geomean (system)"])

    def test_without_native_or_tcg(self):
        self.results["columns"] = ["anykvm"]
        for workload in self.results["workloads"]:
            workload["runs"] = {"anykvm": workload["runs"]["anykvm"]}
        self.assertEqual(cells(self.table(), "sha"), ["-", "5 ms ±0%"])
        self.assertEqual(cells(self.table(), "geomean (user)"), ["", "-"])

    def test_machine(self):
        rows = report.machine_rows(self.results, "wall")
        self.assertEqual(cells(rows, "boot to userspace (wall, s)"),
                         ["-", "4.00 ±0%", "8.00 ±0%", "2.00"])
        self.assertEqual(cells(rows, "memory added to an idle QEMU's (MiB)"),
                         ["-", "100.0", "22.0", "0.22"])
        self.assertEqual(cells(rows, "2 CPUs against 1: sort (x)"),
                         ["2.00 ±0%", "-", "1.50 ±0%", "-"])

    def test_checksums(self):
        self.assertEqual(report.problems(self.results), [])
        self.results["workloads"][0]["runs"]["anykvm"][1]["sum"] = "bb"
        problem, = report.problems(self.results)
        self.assertEqual(problem, "sort: checksums differ: aa (anykvm), bb (anykvm)")
        self.assertIn("FAILED: sort", report.text(self.results, "wall"))

    def test_clocks_that_differ(self):
        self.assertEqual(report.clock_doubts(self.results), [])
        self.results["workloads"][2]["runs"]["tcg"] = [run(10, host=20)]
        doubt, = report.clock_doubts(self.results)
        self.assertEqual(doubt, "sha, tcg: the guest's clock and the host's differ by 50%")

    def test_text_is_aligned(self):
        lines = report.plain(self.table()).splitlines()
        self.assertEqual(len({len(line) for line in lines if "geomean" not in line}), 1)

    def test_markdown(self):
        page = report.document(self.results, "cpu", "x.svg")
        self.assertIn("\n| sha | 1 ms ±0% | 20.00 ±0% | 5.00 ±0% | 0.25 |\n", page)
        self.assertIn("![times native](x.svg)", page)

    def test_micro(self):
        output = "PIO exit round trip    132.2 ns    (123.4 to 192.8)\nmemory per VM   47.9 KiB\n"
        self.assertEqual(report.parse_micro(output), [
            {"name": "PIO exit round trip", "value": 132.2, "unit": "ns",
             "low": 123.4, "high": 192.8},
            {"name": "memory per VM", "value": 47.9, "unit": "KiB", "low": None, "high": None}])

    def test_plot(self):
        image = xml.etree.ElementTree.fromstring(plot.svg(self.results, "wall"))
        text = [node.text for node in image.iter("{http://www.w3.org/2000/svg}text")]
        for wanted in ("sort", "<fork>", "geomean (user)", "tcg", "anykvm", "20"):
            self.assertIn(wanted, text)
        # Two engines, four workloads and two means, less what is skipped; the
        # legend's two and the background.
        rects = list(image.iter("{http://www.w3.org/2000/svg}rect"))
        self.assertEqual(len(rects), 2 * 6 - 1 + 2 + 1)
        for rect in rects:
            self.assertGreater(float(rect.get("width")), 0)


unittest.main()
