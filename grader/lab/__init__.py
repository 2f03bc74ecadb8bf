"""What a scenario drives a submission with: tasks, services, faults, and waiting for a moment."""

from grader.lab.api import Answer, Api
from grader.lab.held import HeldWorker
from grader.lab.lab import FAR_AWAY, Lab, Surroundings
from grader.lab.tasks import Task
from grader.lab.waiting import Cancelled, Condition, GaveUp, any_of
from grader.lab.worker import Worker

__all__ = [
    "FAR_AWAY",
    "Answer",
    "Api",
    "Cancelled",
    "Condition",
    "GaveUp",
    "HeldWorker",
    "Lab",
    "Surroundings",
    "Task",
    "Worker",
    "any_of",
]
