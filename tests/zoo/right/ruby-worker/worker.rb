# frozen_string_literal: true

# Starts one worker: ruby worker.rb
require_relative "lib/stop"

stop = Stop.new # first of all, so that no signal comes too early

$stdout.sync = $stderr.sync = true

require "logger"
require_relative "lib/settings"
require_relative "lib/worker"

begin
  settings = Settings.read(ENV)
rescue Settings::Invalid => e
  abort "worker: #{e.message}"
end

log = Logger.new($stdout, level: settings.log_level)
log.formatter = ->(severity, time, _, message) { "#{time.strftime('%FT%T.%3N')} #{severity} #{message}\n" }
log.info "worker #{settings.name} starts, poll interval #{settings.poll_interval} s"

begin
  Worker.new(settings, stop, log).run
rescue Worker::NoDatabase => e
  log.error "no database at the start, giving up: #{e.message}"
  exit 1
end
log.info "worker ended"
stop.ignore # nothing is left to stop
