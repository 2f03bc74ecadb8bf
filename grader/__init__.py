"""What an author of checkpoints imports: declare a scenario, drive it, judge its history."""

from grader.declare import check, scenario
from grader.history.timeline import History
from grader.judgement import Judgement, broken, holds, need
from grader.lab import Lab

__all__ = ["History", "Judgement", "Lab", "broken", "check", "holds", "need", "scenario"]
