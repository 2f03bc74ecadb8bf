# frozen_string_literal: true

require_relative "task_table"
require_relative "work"

# Claims a task, works, records the end; again and again until it is to stop.
class Worker
  NoDatabase = Class.new(StandardError)
  RECONNECT = 0.5

  # How work ended, for as long as the table may not know it.
  Result = Struct.new(:task, :status, :seconds, :at)

  def initialize(settings, stop, log)
    @settings = settings
    @stop = stop
    @log = log
    @work = Work.new(settings.task_duration, log)
    @result = nil
    @was_connected = false
  end

  # Raises NoDatabase if there is none at the start. Later outages are waited for.
  def run
    Thread.new do
      @stop.wait(nil)
      @log.info "asked to end: nothing more is claimed"
    end
    session until @stop.requested? && @result.nil?
  end

  private

  # As long as a connection lasts.
  def session
    table = connect
    @was_connected = true
    @log.info "connected"
    serve(table)
  rescue PG::Error => e
    raise NoDatabase, one_line(e) unless @was_connected

    @log.warn "database lost, next try in #{RECONNECT} s: #{one_line(e)}"
    rest
  ensure
    table&.close
  end

  def connect
    return TaskTable.new(@settings) if @result

    @stop.with_force { TaskTable.new(@settings) }
  end

  def serve(table)
    record(table)
    until @stop.requested?
      table.release(@settings.stuck_timeout).each { |id| @log.warn "task=#{id} was abandoned, pending again" }
      break if @stop.requested?

      task = table.claim(@settings.name)
      if task
        @log.info "task=#{task.id} claimed, title=#{task.title.inspect}"
        with_heartbeat(task) { process(table, task) }
      else
        @log.info "no pending task"
        @stop.wait(@settings.poll_interval)
      end
    end
  end

  def process(table, task)
    began = now
    status = @work.call(task)
    @result = Result.new(task, status, now - began, now)
    record(table)
  end

  def record(table)
    return unless @result

    task = @result.task
    if table.finish(task, @result.status)
      @log.info format("task=%s %s, took %.3f s", task.id, @result.status, @result.seconds)
    else
      @log.warn "task=#{task.id} is finished, and no longer ours: its result is thrown away"
    end
    @result = nil
  end

  # A thread with a connection of its own, which it opens when the first sign of life is due.
  def with_heartbeat(task)
    over, done = IO.pipe
    heart = Thread.new { beat(task, over) }
    yield
  ensure
    done.close
    heart.join
    over.close
  end

  def beat(task, over)
    pause = @settings.stuck_timeout / 4.0
    until IO.select([over], nil, nil, pause)
      begin
        table = TaskTable.new(@settings, only: ["touch"])
        nil while table.touch(task) && !IO.select([over], nil, nil, pause)
        return
      rescue PG::Error => e
        @log.warn "task=#{task.id} no sign of life: #{one_line(e)}"
      ensure
        table&.close
        table = nil
      end
    end
  end

  def rest
    if @result.nil?
      @stop.wait(RECONNECT)
    elsif @stop.requested? && now - @result.at > @settings.stuck_timeout
      @log.error "task=#{@result.task.id} its result cannot be stored; somebody else will do it again"
      @result = nil
    else
      sleep RECONNECT
    end
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  def one_line(error)
    error.message.split.join(" ")
  end
end
