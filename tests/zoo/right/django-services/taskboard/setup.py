"""Django without a project folder: the settings are made here."""

import django
from django.conf import settings

from taskboard import environment


def configure() -> None:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={"default": environment.database()},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["taskboard"],
        LOGGING_CONFIG=None,
        ROOT_URLCONF="taskboard.views",
        USE_TZ=True,
    )
    django.setup(set_prefix=False)
