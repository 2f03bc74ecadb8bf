package main

import (
	"context"
	"sync"
	"time"
)

const (
	shortestPause = 200 * time.Millisecond
	longestPause  = 2 * time.Second
)

type worker struct {
	config config
	queue  *queue
	log    *logger
}

// run polls until ctx is done. A task that has been claimed by then is worked on and recorded first.
func (w *worker) run(ctx context.Context) {
	if !w.connect(ctx) {
		return
	}
	var sweeper sync.WaitGroup
	sweeper.Add(1)
	go func() {
		defer sweeper.Done()
		w.sweepAgainAndAgain(ctx)
	}()
	defer sweeper.Wait()

	pause := shortestPause
	for ctx.Err() == nil {
		task, err := w.queue.claim()
		switch {
		case err != nil:
			w.log.warning("cannot claim, trying again in %v: %v", pause, err)
			sleep(ctx, pause)
			pause = longer(pause)
			continue
		case task == nil:
			w.log.info("no pending tasks")
			sleep(ctx, w.config.pollInterval)
		default:
			w.process(ctx, task)
		}
		pause = shortestPause
	}
}

// connect waits for the database; false if the worker was told to stop meanwhile.
func (w *worker) connect(ctx context.Context) bool {
	for pause := shortestPause; ctx.Err() == nil; pause = longer(pause) {
		err := w.queue.ping()
		if err == nil {
			w.log.info("connected to the database")
			return true
		}
		w.log.warning("no database, trying again in %v: %v", pause, err)
		sleep(ctx, pause)
	}
	return false
}

func (w *worker) process(ctx context.Context, t *task) {
	w.log.info("claimed task=%d title=%q", t.id, t.title)
	quiet := w.keepAlive(t)
	defer quiet()

	began := time.Now()
	result := completed
	if err := work(t, w.config.taskDuration, w.log); err != nil {
		w.log.warning("task=%d failed: %v", t.id, err)
		result = failed
	}
	w.record(ctx, t, result, time.Since(began))
}

// record stores the result. Without a database it keeps trying; once the worker is to stop, no longer than the stuck
// timeout, after which the task belongs to the others.
func (w *worker) record(ctx context.Context, t *task, result status, took time.Duration) {
	ended := time.Now()
	for pause := shortestPause; ; pause = longer(pause) {
		ours, err := w.queue.finish(t, result)
		switch {
		case err == nil && ours:
			w.log.info("%s task=%d duration=%v", result, t.id, took.Round(time.Millisecond))
			return
		case err == nil:
			w.log.warning("task=%d was taken over or deleted; its result is dropped", t.id)
			return
		case ctx.Err() != nil && time.Since(ended) > w.config.stuckTimeout:
			w.log.error("task=%d: no database for its result; another worker will do it again", t.id)
			return
		}
		w.log.warning("task=%d: cannot store its result, trying again in %v: %v", t.id, pause, err)
		time.Sleep(pause)
	}
}

// keepAlive shows signs of life for the task until the function that it returns is called. The shutdown does not end
// it: the task is still in hand then.
func (w *worker) keepAlive(t *task) (quiet func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(w.config.stuckTimeout / 4):
			}
			ours, err := w.queue.beat(t)
			if err != nil {
				w.log.warning("task=%d: no sign of life: %v", t.id, err)
			} else if !ours {
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// sweepAgainAndAgain looks for abandoned tasks once in each poll interval, however long the work takes.
func (w *worker) sweepAgainAndAgain(ctx context.Context) {
	for ctx.Err() == nil {
		swept, err := w.queue.sweep()
		if err != nil {
			w.log.warning("cannot look for abandoned tasks, trying again in %v: %v", longestPause, err)
			sleep(ctx, longestPause)
			continue
		}
		for _, id := range swept {
			w.log.warning("task=%d was abandoned, it is pending again", id)
		}
		sleep(ctx, w.config.pollInterval)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func longer(pause time.Duration) time.Duration {
	if pause *= 2; pause < longestPause {
		return pause
	}
	return longestPause
}
