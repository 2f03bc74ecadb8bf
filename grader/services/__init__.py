"""Starting, watching, signalling and ending a submission's processes."""

from grader.services.building import build
from grader.services.choose import IsolationChoice
from grader.services.choose import choose as choose_isolation
from grader.services.container import Engine
from grader.services.environment import service_environment
from grader.services.isolation import Isolation, Level, Network, Reach
from grader.services.limits import Limits
from grader.services.process import ServiceProcess, Services

__all__ = [
    "Engine",
    "Isolation",
    "IsolationChoice",
    "Level",
    "Limits",
    "Network",
    "Reach",
    "ServiceProcess",
    "Services",
    "build",
    "choose_isolation",
    "service_environment",
]
