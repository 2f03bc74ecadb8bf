from django.db import models
from django.db.models.functions import Now


class Present(models.Manager):
    """Tasks that nobody has removed."""

    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().filter(removed_at=None)


class Task(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"

    title = models.TextField()
    description = models.TextField(default="")
    type = models.TextField(default="default")
    payload = models.JSONField(default=dict)
    status = models.TextField(choices=Status, default=Status.PENDING)
    assigned_worker = models.TextField(null=True)
    claim_number = models.IntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True)

    present = Present()

    class Meta:
        managed = False
        db_table = "tasks"
