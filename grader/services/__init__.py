"""Starting, watching, signalling and ending a submission's processes."""

from grader.services.building import build
from grader.services.environment import service_environment
from grader.services.ports import free_port
from grader.services.process import ServiceProcess, Services

__all__ = ["ServiceProcess", "Services", "build", "free_port", "service_environment"]
