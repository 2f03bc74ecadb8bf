"""Where the database server of a run comes from, and the databases, roles and audit on it."""

from grader.postgres.choose import DEFAULT_IMAGE, Provider, start_server
from grader.postgres.databases import Databases
from grader.postgres.scenario import ScenarioDatabase, TableLockMode
from grader.postgres.server import Login, Server

__all__ = [
    "DEFAULT_IMAGE",
    "Databases",
    "Login",
    "Provider",
    "ScenarioDatabase",
    "Server",
    "TableLockMode",
    "start_server",
]
