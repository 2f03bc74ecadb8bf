# frozen_string_literal: true

require "json"
require "pg"

Task = Struct.new(:id, :title, :type, :payload, :lock_version)

# One connection, and the statements that a worker has for the table, prepared once.
class TaskTable
  STATEMENTS = {
    "claim" => <<~SQL,
      UPDATE tasks
      SET status = 'processing', assigned_worker = $1, lock_version = lock_version + 1, updated_at = now()
      WHERE id = (SELECT id FROM tasks WHERE status = 'pending'
                  ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING id, title, type, payload, lock_version
    SQL
    "finish" => <<~SQL,
      UPDATE tasks SET status = $1, updated_at = now()
      WHERE id = $2 AND lock_version = $3 AND status IN ('processing', $1)
    SQL
    "touch" => <<~SQL,
      UPDATE tasks SET updated_at = now() WHERE id = $1 AND lock_version = $2 AND status = 'processing'
    SQL
    "release" => <<~SQL
      UPDATE tasks
      SET status = 'pending', assigned_worker = NULL, lock_version = lock_version + 1, updated_at = now()
      WHERE id IN (SELECT id FROM tasks
                   WHERE status = 'processing' AND updated_at < now() - make_interval(secs => $1)
                   FOR UPDATE SKIP LOCKED)
      RETURNING id
    SQL
  }.freeze

  def initialize(settings, only: STATEMENTS.keys)
    @connection = PG.connect(settings.url, connect_timeout: 3, application_name: settings.name)
    only.each { |name| @connection.prepare(name, STATEMENTS.fetch(name)) }
  rescue PG::Error
    close
    raise
  end

  def close
    @connection&.close
    @connection = nil
  end

  # The oldest pending task, now this worker's; nil if there is none.
  def claim(worker)
    row = @connection.exec_prepared("claim", [worker]).first or return
    Task.new(row["id"], row["title"], row["type"], JSON.parse(row["payload"]), row["lock_version"])
  end

  # Whether the task was still ours. Saying it twice does no harm.
  def finish(task, status)
    @connection.exec_prepared("finish", [status, task.id, task.lock_version]).cmd_tuples == 1
  end

  def touch(task)
    @connection.exec_prepared("touch", [task.id, task.lock_version]).cmd_tuples == 1
  end

  # The ids of tasks that nobody has touched for so many seconds; they are pending again.
  def release(seconds)
    @connection.exec_prepared("release", [seconds]).column_values(0)
  end
end
