"""The queue. A session lives for one transaction, and takes its connection from the engine's pool."""

from datetime import timedelta

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from worker_service.model import Task


class Tasks:
    def __init__(self, engine: Engine, worker_id: str) -> None:
        self._engine, self._worker_id = engine, worker_id

    def claim(self) -> Task | None:
        oldest = (
            select(Task)
            .where(Task.status == "pending")
            .order_by(Task.created_at, Task.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        # Kept as they are after the commit, the attributes of the task can be read without a session.
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            task = session.scalars(oldest).one_or_none()
            if task is not None:
                task.status, task.assigned_worker = "processing", self._worker_id
                session.flush()
                session.refresh(task, ["version"])
            return task

    def finish(self, task: Task, status: str) -> bool:
        """Whether the task was still as this worker has claimed it, or has its end from here already."""
        with Session(self._engine) as session:
            # Not an attribute of the detached task is changed: if the commit fails, it must be as it was.
            fresh = session.get(Task, task.id)
            if fresh is None:
                return False
            if fresh.version == task.version + 1 and fresh.status == status:
                return fresh.assigned_worker == self._worker_id  # an earlier try, whose answer was lost
            if fresh.version != task.version:
                return False
            fresh.status = status
            try:
                session.commit()
            except StaleDataError:  # between the two statements
                return False
            return True

    def show_life(self, task: Task) -> bool:
        """An UPDATE past the unit of work: it leaves the version alone, which tells claims apart, not beats."""
        beat = (
            update(Task)
            .where(Task.id == task.id, Task.version == task.version, Task.status == "processing")
            .values(updated_at=func.now())
            .execution_options(synchronize_session=False)
        )
        with Session(self._engine) as session, session.begin():
            return session.execute(beat).rowcount == 1

    def recover(self, timeout: float) -> list[int]:
        stuck = (
            select(Task)
            .where(Task.status == "processing", Task.updated_at < func.now() - timedelta(seconds=timeout))
            .with_for_update(skip_locked=True)
        )
        with Session(self._engine) as session, session.begin():
            found = list(session.scalars(stuck))
            ids = [task.id for task in found]
            for task in found:
                task.status, task.assigned_worker = "pending", None
        return ids
