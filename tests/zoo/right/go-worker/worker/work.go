package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"time"
)

// handlers says what is done for which type of task; a type that is not here is nothing special.
var handlers = map[string]func(*task, *logger) error{
	"email": func(t *task, log *logger) error {
		log.info("sending an email for task=%d", t.id)
		return nil
	},
}

// work simulates it. A panic in a handler is a failure like any other.
func work(t *task, lasts *time.Duration, log *logger) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("the handler broke down: %v", problem)
		}
	}()
	if handle, known := handlers[t.kind]; known {
		if err := handle(t, log); err != nil {
			return err
		}
	}
	if lasts != nil {
		time.Sleep(*lasts)
	} else {
		time.Sleep(2*time.Second + time.Duration(rand.Int63n(int64(3*time.Second))))
	}
	var payload struct {
		Fail any `json:"fail"`
	}
	// A payload that is no object asks for nothing.
	if json.Unmarshal(t.payload, &payload) == nil && payload.Fail == true {
		return errors.New("its payload says so")
	}
	return nil
}
