"""What a scenario's history looks like: in words, in order, and drawn on a time axis. Pure functions of a history."""

from __future__ import annotations

from grader.report.chart.drawing import Chart, draw, telling
from grader.report.chart.fold import fold
from grader.report.chart.happenings import Happening, Kind, happenings
from grader.report.chart.short import in_short
from grader.report.chart.svg import legend_markup, names_markup, plot_markup, symbols_markup

__all__ = [
    "Chart",
    "Happening",
    "Kind",
    "draw",
    "fold",
    "happenings",
    "in_short",
    "legend_markup",
    "names_markup",
    "plot_markup",
    "symbols_markup",
    "telling",
]
