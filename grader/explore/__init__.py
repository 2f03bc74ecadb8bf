"""Every order of two workers' steps, and every point of one worker's life: walked, judged, made small, explained."""

from grader.explore.counterexample import changes_of, is_shown, lane_step
from grader.explore.explorer import WORKERS, Explorer, set_up_database
from grader.explore.life import life
from grader.explore.pair import Pair
from grader.explore.point_lanes import point_lanes
from grader.explore.point_rules import broken_point, place_words
from grader.explore.points import REPEATS, Points, point_of
from grader.explore.rules import Broken, broken_rule
from grader.explore.search import Frontier, walk
from grader.explore.situations import HELD_ROW, ONE_TASK, TWO_TASKS, Situation, beside_stuck
from grader.explore.stuck import stuck_row
from grader.explore.trace import GRADER
from grader.explore.undecided import Undecided

__all__ = [
    "GRADER",
    "HELD_ROW",
    "ONE_TASK",
    "REPEATS",
    "TWO_TASKS",
    "WORKERS",
    "Broken",
    "Explorer",
    "Frontier",
    "Pair",
    "Points",
    "Situation",
    "Undecided",
    "beside_stuck",
    "broken_point",
    "broken_rule",
    "changes_of",
    "is_shown",
    "lane_step",
    "life",
    "place_words",
    "point_lanes",
    "point_of",
    "set_up_database",
    "stuck_row",
    "walk",
]
