# SPDX-License-Identifier: MIT
"""Rows of figures, the budget beside each, and the table. Measures nothing."""

from dataclasses import asdict, dataclass
from typing import Optional


@dataclass
class Row:
    """One figure by each way, where that way has one. A budget is for `ours`; it is a goal on a quiet machine. A bound
    is what `--quick` insists on, so far off that only a fault reaches it."""
    group: str
    label: str
    unit: str
    ours: float
    nginx: Optional[float] = None
    direct: Optional[float] = None
    budget: Optional[float] = None
    bound: Optional[float] = None
    at_least: bool = False

    def keeps(self, limit):
        return limit is None or (self.ours >= limit if self.at_least else self.ours <= limit)


def number(value):
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(value, base):
    return f"{value / base:.2f}x" if base and value is not None and value >= 0 < base else "-"


def verdict(row, quick):
    words = []
    if row.budget is not None:
        sign = ">=" if row.at_least else "<="
        words.append(f"{sign} {number(row.budget)} {'ok' if row.keeps(row.budget) else 'MISSED'}")
    if quick and not row.keeps(row.bound):
        words.append(f"FAILED, bound {number(row.bound)}")
    return ", ".join(words)


LINE = "  {:<34}{:<9}{:>10}{:>10}{:>12}{:>9}{:>9}   {}"


class Table:
    """Prints each row as it comes, and remembers it."""

    def __init__(self, quick):
        self.quick = quick
        self.rows = []
        self.problems = []
        self.group = None

    def head(self):
        print(LINE.format("", "unit", "direct", "nginx", "modelrelay", "/nginx", "/direct", "budget"))

    def add(self, row):
        self.rows.append(row)
        if row.group != self.group:
            self.group = row.group
            print(f"\n{row.group}")
        cells = [number(row.direct), number(row.nginx), number(row.ours), ratio(row.ours, row.nginx)]
        print(LINE.format(row.label, row.unit, *cells, ratio(row.ours, row.direct), verdict(row, self.quick)).rstrip(),
              flush=True)
        if self.quick and not row.keeps(row.bound):
            bound = f"bound {number(row.bound)}"
            self.problems.append(f"{row.group}: {row.label} is {number(row.ours)} {row.unit}, {bound}")

    def check(self, where, figures):
        """Any lost, repeated, reordered or changed byte, and any request that failed, is a problem in every mode."""
        for name in ("errors", "lost", "out_of_order", "corrupt"):
            if figures.get(name):
                self.problems.append(f"{where}: {figures[name]} {name.replace('_', ' ')}")
        return figures

    def missed(self):
        return [row for row in self.rows if not row.keeps(row.budget)]

    def as_data(self):
        return [dict(asdict(row), budget_kept=row.keeps(row.budget)) for row in self.rows]
