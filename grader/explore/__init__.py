"""Every order of two workers' steps, and every point of one worker's life: walked, judged, made small, explained."""

from grader.explore.counterexample import counterexample_from
from grader.explore.explorer import Explorer
from grader.explore.pair import Undecided
from grader.explore.point_lanes import point_lanes
from grader.explore.point_rules import broken_point, place_words
from grader.explore.points import Points
from grader.explore.rules import Broken, broken_rule
from grader.explore.situations import HELD_ROW, ONE_TASK, TWO_TASKS, Situation, beside_stuck
from grader.explore.stuck import stuck_row

__all__ = [
    "HELD_ROW",
    "ONE_TASK",
    "TWO_TASKS",
    "Broken",
    "Explorer",
    "Points",
    "Situation",
    "Undecided",
    "beside_stuck",
    "broken_point",
    "broken_rule",
    "counterexample_from",
    "place_words",
    "point_lanes",
    "stuck_row",
]
