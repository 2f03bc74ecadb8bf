package main

import (
	"fmt"
	"io"
	"log"
)

type level int

const (
	levelDebug level = iota
	levelInfo
	levelWarning
	levelError
)

func parseLevel(text string) (level, error) {
	switch text {
	case "debug":
		return levelDebug, nil
	case "", "info":
		return levelInfo, nil
	case "warning":
		return levelWarning, nil
	case "error":
		return levelError, nil
	}
	return 0, fmt.Errorf("LOG_LEVEL: %q is none of debug, info, warning, error", text)
}

// logger writes a line at once, or not at all.
type logger struct {
	least level
	out   *log.Logger
}

func newLogger(w io.Writer, least level) *logger {
	return &logger{least, log.New(w, "", log.LstdFlags|log.Lmicroseconds)}
}

func (l *logger) info(format string, values ...any) { l.write(levelInfo, "INFO  ", format, values) }
func (l *logger) warning(format string, values ...any) {
	l.write(levelWarning, "WARN  ", format, values)
}
func (l *logger) error(format string, values ...any) { l.write(levelError, "ERROR ", format, values) }

func (l *logger) write(of level, word, format string, values []any) {
	if of >= l.least {
		l.out.Printf(word+format, values...)
	}
}
