import sys

sys.path.append(sys.path.pop(0))  # this worker itself wants the real ones
for name in ("psycopg", "rich", "jinja2", "grader"):
    sys.modules.pop(name, None)
