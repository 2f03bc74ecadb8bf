# frozen_string_literal: true

# What is done for a task, and how often it is tried.
class Work
  TRIES = 3
  Failed = Class.new(StandardError)

  KINDS = Hash.new(->(task, log) { log.debug "task=#{task.id} asks for nothing special" })
  KINDS["email"] = ->(task, log) { log.info "task=#{task.id} email is sent" }
  KINDS.freeze

  def initialize(duration, log)
    @duration = duration
    @log = log
  end

  # "completed", or "failed" after so many tries in a row.
  def call(task)
    tries = 0
    begin
      tries += 1
      attempt(task)
      "completed"
    rescue StandardError => e
      @log.warn "task=#{task.id} try #{tries} of #{TRIES} failed: #{e.message}"
      retry if tries < TRIES
      "failed"
    end
  end

  private

  def attempt(task)
    KINDS[task.type].call(task, @log)
    raise Failed, "its payload wants it so" if task.payload.is_a?(Hash) && task.payload["fail"] == true

    sleep(@duration || rand(2.0..5.0))
  end
end
