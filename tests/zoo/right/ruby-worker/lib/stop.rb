# frozen_string_literal: true

# SIGTERM and SIGINT. A trap may interrupt anything, so all it does is to write into a pipe, which nobody ever reads:
# from then on it is readable, and every wait for it ends at once.
class Stop
  SIGNALS = %w[TERM INT].freeze

  def initialize
    @heard, @bell = IO.pipe
    @count = 0
    @force = false
    SIGNALS.each { |name| trap(name) { ring } }
  end

  def requested?
    wait(0)
  end

  # Until a signal comes, or so many seconds (nil: for ever). Whether one has come.
  def wait(seconds)
    !IO.select([@heard], nil, nil, seconds).nil?
  end

  # In the block nothing is in hand, so a second signal may end the process on the spot.
  def with_force
    @force = true
    yield
  ensure
    @force = false
  end

  def ignore
    SIGNALS.each { |name| trap(name, "IGNORE") }
  end

  private

  def ring
    @count += 1
    exit!(1) if @count > 1 && @force
    @bell.write_nonblock("!", exception: false)
  end
end
