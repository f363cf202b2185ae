#!/usr/bin/env python3
"""Tests of scripts/bench that need no lab: what it makes of results. One line a test, as the levels of scripts/test print."""

import contextlib
import io
import os
import sys
import tempfile
import unittest
import xml.dom.minidom

import baseline
import chart
import compare
import growth_report
import report
import runner
from catalogue import BENCHMARKS, named, of_guest_program

BASE = {"hypercall": 1.2, "reference_tsc_page": 0.003}


def objects(**figures):
    return [{"name": name, "unit": "instructions", "porthole": value, "peers": {"qemu": 2 * value, "kvmtool": None},
             "floor": value // 2} for name, value in figures.items()]


def verdict(**found):
    """The status and the text of a check against BASE, with a bare exit of 3,000 instructions."""
    with contextlib.redirect_stdout(io.StringIO()) as text:
        status = baseline.check(BASE, {baseline.UNIT: 3000} | BASE | found)
    return status, text.getvalue()


class Baseline(unittest.TestCase):
    def test_passes_what_is_the_same_or_better(self):
        self.assertEqual(verdict(), (0, "ok bench.hypercall\nok bench.reference_tsc_page\n2 passed, 0 failed, 0 skipped\n"))
        self.assertEqual(verdict(hypercall=0.9)[0], 0)

    def test_passes_what_is_a_little_worse(self):
        self.assertEqual(verdict(hypercall=1.2 * 1.029)[0], 0)

    def test_fails_what_is_more_than_3_percent_worse(self):
        status, text = verdict(hypercall=1.2 * 1.032)
        self.assertEqual(status, 1)
        self.assertIn("not ok bench.hypercall: 1.2384 of a bare exit, +3.2% from the baseline's 1.2000\n", text)
        self.assertTrue(text.endswith("1 passed, 1 failed, 0 skipped\n"))

    def test_allows_two_instructions_to_the_smallest(self):
        self.assertEqual(verdict(reference_tsc_page=0.003 + 2 / 3000)[0], 0)
        self.assertEqual(verdict(reference_tsc_page=0.003 + 3 / 3000)[0], 1)

    def test_fails_what_was_not_measured(self):
        with contextlib.redirect_stdout(io.StringIO()) as text:
            self.assertEqual(baseline.check(BASE, {baseline.UNIT: 3000, "hypercall": 1.2}), 1)
        self.assertIn("not ok bench.reference_tsc_page: was not measured", text.getvalue())

    def test_fails_what_has_no_baseline(self):
        self.assertEqual(verdict(new=1.0)[0], 1)

    def test_does_not_move_with_the_bare_exit(self):
        figures = objects(hypercall=3600)
        half = objects(hypercall=1800)
        self.assertEqual(baseline.multiples(figures, 3000)["hypercall"], baseline.multiples(half, 1500)["hypercall"])

    def test_is_read_as_it_was_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "baseline.json")
            baseline.write(BASE | {baseline.UNIT: 3000}, path)
            self.assertEqual(baseline.read(path), BASE)

    def test_has_every_benchmark_of_the_guest_program(self):
        self.assertEqual(set(baseline.read()), {benchmark.name for benchmark in of_guest_program() if benchmark.steady})


class Compare(unittest.TestCase):
    def test_says_what_changed_by_more_than_1_percent(self):
        base = objects(better=1000, worse=1000, same=1000)
        self.assertEqual(list(compare.sentences(base, objects(better=980, worse=1020, same=1009, added=1))),
                         ["worse: worse +2.0% (1,000 to 1,020)", "better: better -2.0% (1,000 to 980)", "new: added"])

    def test_says_that_nothing_changed(self):
        self.assertEqual(list(compare.sentences(objects(same=1000), objects(same=991))), ["no change of more than 1%"])

    def test_refuses_another_file(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write('{"name": 1}')
            file.flush()
            self.assertRaises(ValueError, compare.read, file.name)


class Report(unittest.TestCase):
    def test_makes_objects_of_results(self):
        results = report.Results()
        for machine, values in ("porthole", [30, 10, 20]), ("qemu", []), ("bare", [5]):
            results.add("wrmsr_exit", machine, values)
        results.add("bare_wrmsr", "bare", [5])
        self.assertEqual(report.as_objects(named(["wrmsr_exit"]), results, ["qemu", "kvmtool"]), [
            {"name": "wrmsr_exit", "unit": "instructions", "porthole": 20, "peers": {"qemu": None, "kvmtool": None}, "floor": 5}])

    def test_prints_a_column_pair_for_each_peer(self):
        head, row = report.rows(objects(hypercall=1000))
        self.assertEqual(head, ["benchmark", "unit", "Porthole", "QEMU", "of QEMU", "kvmtool", "of kvmtool", "floor", "of floor"])
        self.assertEqual(row, ["hypercall", "instructions", "1,000", "2,000", "0.50", "–", "–", "500", "2.00"])

    def test_prints_tables_with_words_to_the_left_and_numbers_to_the_right(self):
        self.assertEqual(report.text_table([["name", "n"], ["a", "10"]], words=1), "name   n\n--------\na     10")
        self.assertEqual(report.markdown_table([["name", "n"], ["a", "10"]], words=1), "| name | n |\n|---|---:|\n| a | 10 |")

    def test_prints_median_and_spread_of_times(self):
        results = report.Results()
        for value in 10, 12, 8:
            results.add("x", "porthole", [value])
            results.add("x", "qemu", [2 * value])
        self.assertEqual(report.wall_clock_rows(["x"], results, ["qemu"])[1], ["x", "10 (40%)", "20 (40%)", "0.50"])

    def test_has_a_row_for_each_operation_and_machine_that_carried_it_out(self):
        said = [{"contention": name, "processors": count, "machine": machine, "value": value} for name, count, machine, value in [
            ("x", 1, "porthole", 1000), ("x", 1, "porthole", 1200), ("x", 2, "porthole", 600), ("y", 1, "porthole", 7),
            ("y", 2, "porthole", 5), ("x", 1, "qemu", 3000), ("x", 2, "qemu", 2000)]]
        self.assertEqual(report.contention_rows(said), [
            ["nanoseconds", "", "1 processor", "2 processors"],
            ["x", "Porthole", "1,100 (18%)", "600 (0%)"],
            ["x", "QEMU", "3,000 (0%)", "2,000 (0%)"],
            ["y", "Porthole", "7 (0%)", "5 (0%)"]])

    def test_has_few_figures_for_the_first_page_each_with_its_command(self):
        table = report.as_highlights(objects(post_message_self=10, ipi_icr=5)).splitlines()
        self.assertEqual(len(table), 3)
        self.assertIn("| 10 | 20 | 0.50 |", table[2])
        self.assertIn("`scripts/bench --only post_message_self`", table[2])

    def test_replaces_one_part_of_a_document(self):
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("a\n<!-- x, written by scripts/bench: begin -->\nold\n<!-- x, written by scripts/bench: end -->\nb\n")
            file.flush()
            report.update(file.name, "x", "new")
            file.seek(0)
            with open(file.name, encoding="utf-8") as again:
                self.assertEqual(again.read(), "a\n<!-- x, written by scripts/bench: begin -->\n\nnew\n\n"
                                               "<!-- x, written by scripts/bench: end -->\nb\n")
            self.assertRaises(ValueError, report.update, file.name, "y", "new")

    def test_names_each_benchmark_once(self):
        self.assertEqual(len(BENCHMARKS), len({benchmark.name for benchmark in BENCHMARKS}))


class Chart(unittest.TestCase):
    def test_is_well_formed_and_names_all(self):
        svg = chart.ratios(objects(hypercall=1000, post=3) + [
            {"name": "alone", "unit": "KiB", "porthole": 5, "peers": {"qemu": None, "kvmtool": None}, "floor": None}])
        xml.dom.minidom.parseString(svg)
        for words in "hypercall", "QEMU 2.00 of Porthole", "floor 0.50 of Porthole":
            self.assertIn(words, svg)
        self.assertNotIn("alone", svg)  # nothing to compare it with


class Growth(unittest.TestCase):
    SAID = [{"growth": "ports", "machine": "porthole", "x": x, "values": {"cost": 10 * x, "resident, KiB": 5}}
            for x in (10, 1_000_000)] + [{"growth": "ports", "machine": "qemu", "x": 10, "values": {"cost": 7}},
                                         {"machine": "porthole", "categories": {"heap": [3, 2], "guest RAM": [9, 9]}}]

    def test_prints_a_column_for_each_figure_of_each_machine(self):
        self.assertEqual(growth_report.table(self.SAID, "ports"), [
            ["ports", "Porthole, cost", "Porthole, resident, KiB", "QEMU, cost"], ["10", "100", "5", "7"],
            ["1,000,000", "10,000,000", "5", "–"]])

    def test_prints_what_memory_consists_of(self):
        text = growth_report.as_text(self.SAID)
        self.assertRegex(text, "heap +3 +2\n")
        self.assertIn("**A guest with so many message ports**", growth_report.as_markdown(self.SAID))

    def test_draws_a_panel_for_each_figure(self):
        svg = growth_report.as_chart(self.SAID)
        xml.dom.minidom.parseString(svg)
        self.assertIn("ports: cost", svg)
        self.assertEqual(svg.count("<polyline"), 3)


class Memory(unittest.TestCase):
    SMAPS = """\
00400000-00410000 r-xp 00000000 00:19 7 /porthole
Rss: 40 kB
Private_Clean: 40 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
VmFlags: rd ex
00500000-00510000 rw-p 00000000 00:01 9 /memfd:padding (deleted)
Rss: 64 kB
Private_Clean: 0 kB
Private_Dirty: 0 kB
Anonymous: 0 kB
00510000-00520000 rw-p 00000000 00:01 9 /memfd:padding (deleted)
Rss: 64 kB
Private_Clean: 0 kB
Private_Dirty: 4 kB
Anonymous: 4 kB
00600000-00700000 rw-p 00000000 00:00 0
Rss: 12 kB
Private_Clean: 0 kB
Private_Dirty: 12 kB
Anonymous: 12 kB
00700000-00800000 rw-p 00000000 00:00 0
Rss: 8 kB
Private_Clean: 0 kB
Private_Dirty: 8 kB
Anonymous: 8 kB
"""

    def test_counts_a_part_of_a_file_once_and_what_is_a_process_s_own_always(self):
        found = runner.by_category(self.SMAPS.splitlines(), lambda _: False)
        self.assertEqual(found, {"program": (40 + 64 + 4, 40 + 4), "anonymous: arenas, thread stacks, data": (20, 20)})


class Lines(unittest.TextTestResult):
    """One line each."""

    def addSuccess(self, test):
        print(f"ok {self.name(test)}")

    def addFailure(self, test, err):
        print(self._exc_info_to_string(err, test))
        print(f"not ok {self.name(test)}: {err[1] or 'see above'}".splitlines()[0])

    addError = addFailure

    @staticmethod
    def name(test):
        return f"bench.self.{type(test).__name__.lower()}.{test._testMethodName.removeprefix('test_')}"


if __name__ == "__main__":
    unittest.TextTestRunner(stream=io.StringIO(), resultclass=Lines).run(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__]))
    print("all tests ran")
