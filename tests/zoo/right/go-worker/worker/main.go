// Command worker takes tasks from PostgreSQL and works on them, one at a time, until it is told to stop.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Before anything else: from here on a signal is a request, and the process decides when it ends.
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	config, err := readConfig(os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(2)
	}
	logger := newLogger(os.Stderr, config.logLevel)
	go func() {
		for got := range signals {
			if ctx.Err() == nil {
				logger.info("shutdown begun: %v; no more claims, the task in hand is finished", got)
				stop()
			}
		}
	}()

	logger.info("worker %s started, poll interval %d ns", config.workerID, config.pollInterval)
	if err := run(ctx, config, logger); err != nil {
		logger.error("%v", err)
		os.Exit(1)
	}
	logger.info("shutdown complete")
}

// run works until ctx is done and the task in hand, if any, is dealt with.
func run(ctx context.Context, config config, logger *logger) error {
	queue, err := openQueue(config)
	if err != nil {
		return err
	}
	worker := &worker{config: config, queue: queue, log: logger}
	worker.run(ctx)
	return queue.close()
}
