# frozen_string_literal: true

require "logger"
require "socket"
require "uri"

Settings = Struct.new(:url, :name, :poll_interval, :task_duration, :stuck_timeout, :log_level, keyword_init: true) do
  def self.read(env)
    new(
      url: url(env["DATABASE_URL"]),
      name: env.fetch("WORKER_ID") { "#{Socket.gethostname}-#{Process.pid}" },
      poll_interval: seconds(env, "WORKER_POLL_INTERVAL", 5),
      task_duration: seconds(env, "WORKER_TASK_DURATION", nil, zero: true),
      stuck_timeout: seconds(env, "WORKER_STUCK_TIMEOUT", 300),
      log_level: level(env.fetch("LOG_LEVEL", "info"))
    )
  end

  def self.seconds(env, name, default, zero: false)
    text = env[name] or return default
    value = Float(text, exception: false)
    good = value && value.finite? && (value.positive? || (zero && value.zero?))
    raise Settings::Invalid, "#{name} is #{text.inspect}, expected a number of seconds" unless good

    value
  end

  def self.url(text)
    uri = URI.parse(text.to_s)
    return text if %w[postgres postgresql].include?(uri.scheme) && uri.host.to_s != ""

    raise Settings::Invalid, "DATABASE_URL is not set, or not to a postgresql:// URL with a host"
  rescue URI::Error # whose message repeats the URL, password and all
    raise Settings::Invalid, "DATABASE_URL is no URL"
  end

  def self.level(text)
    levels = { "debug" => Logger::DEBUG, "info" => Logger::INFO, "warning" => Logger::WARN, "error" => Logger::ERROR }
    levels.fetch(text.downcase) { raise Settings::Invalid, "LOG_LEVEL is #{text.inspect}, expected #{levels.keys.join(', ')}" }
  end
end

class Settings
  Invalid = Class.new(StandardError)
end
