package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"time"
)

type config struct {
	databaseURL  string
	workerID     string
	pollInterval time.Duration
	taskDuration *time.Duration // nil: random
	stuckTimeout time.Duration
	logLevel     level
}

func readConfig(getenv func(string) string) (config, error) {
	var c config
	var err error
	if c.databaseURL, err = databaseURL(getenv("DATABASE_URL")); err != nil {
		return c, err
	}
	if c.workerID = getenv("WORKER_ID"); c.workerID == "" {
		host, _ := os.Hostname()
		c.workerID = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	if c.pollInterval, err = duration(getenv, "WORKER_POLL_INTERVAL", 5*time.Second, time.Nanosecond); err != nil {
		return c, err
	}
	if c.stuckTimeout, err = duration(getenv, "WORKER_STUCK_TIMEOUT", 5*time.Minute, time.Nanosecond); err != nil {
		return c, err
	}
	if getenv("WORKER_TASK_DURATION") != "" {
		lasts, err := duration(getenv, "WORKER_TASK_DURATION", 0, 0)
		if err != nil {
			return c, err
		}
		c.taskDuration = &lasts
	}
	c.logLevel, err = parseLevel(getenv("LOG_LEVEL"))
	return c, err
}

func duration(getenv func(string) string, name string, byDefault, least time.Duration) (time.Duration, error) {
	text := getenv(name)
	if text == "" {
		return byDefault, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is no duration such as 5s or 250ms", name, text)
	}
	if d < least {
		return 0, fmt.Errorf("%s: %q is too short", name, text)
	}
	return d, nil
}

// databaseURL gives connecting a limit in time, unless the URL has one. Its errors do not repeat the URL.
func databaseURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("DATABASE_URL is not set")
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Hostname() == "" || !goodPort(u.Port()) {
		return "", errors.New("DATABASE_URL is no URL such as postgresql://user:password@host:port/name")
	}
	query := u.Query()
	if !query.Has("connect_timeout") {
		query.Set("connect_timeout", "3")
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func goodPort(text string) bool {
	port, err := strconv.Atoi(text)
	return text == "" || (err == nil && port > 0 && port < 1<<16)
}
