"""The scenario that most of part 2 is judged on: a right api-service in it, and one that costs several checks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.stories import RIGHT, changed, failing


def test_a_right_api_service_passes() -> None:
    assert failing(RIGHT) == {}


@pytest.mark.parametrize("body", [[1], "text", None, 7, [[]], {"task": None}])
def test_a_get_that_answers_no_task_is_no_error_of_the_grader(body: Any) -> None:
    assert {"2.create", "2.read"} <= set(failing(changed("GET", "/tasks/", body=body)))
