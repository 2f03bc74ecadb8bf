package main

import (
	"database/sql"
	"encoding/json"
	"errors"

	_ "github.com/lib/pq"
)

type status string

const (
	completed status = "completed"
	failed    status = "failed"
)

type task struct {
	id         int64
	title      string
	kind       string
	payload    json.RawMessage
	generation int64
}

// queue is the table of tasks. No statement gets the context of the shutdown: none of them is to be cut off by it.
type queue struct {
	db           *sql.DB
	workerID     string
	stuckSeconds float64
}

func openQueue(c config) (*queue, error) {
	db, err := sql.Open("postgres", c.databaseURL)
	if err != nil {
		return nil, err
	}
	const users = 3 // the loop, the heartbeat, the recovery
	db.SetMaxOpenConns(users)
	db.SetMaxIdleConns(users)
	return &queue{db, c.workerID, c.stuckTimeout.Seconds()}, nil
}

func (q *queue) close() error { return q.db.Close() }

func (q *queue) ping() error { return q.db.Ping() }

// claim takes the oldest pending task; nil if there is none.
func (q *queue) claim() (*task, error) {
	tx, err := q.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // does nothing after a commit

	var t task
	err = tx.QueryRow(`
		SELECT id, title, type, payload, generation + 1 FROM tasks
		WHERE status = 'pending' ORDER BY created_at, id LIMIT 1
		FOR UPDATE SKIP LOCKED`).Scan(&t.id, &t.title, &t.kind, &t.payload, &t.generation)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err = tx.Exec(`
		UPDATE tasks SET status = 'processing', assigned_worker = $1, generation = $2, updated_at = now()
		WHERE id = $3`, q.workerID, t.generation, t.id); err != nil {
		return nil, err
	}
	if err = tx.Commit(); err != nil {
		return nil, err
	}
	return &t, nil
}

// finish records the end of a claim; false if the claim is not the task's last one any more. Calling it again is
// harmless: database/sql does so by itself on a fresh connection when the old one broke.
func (q *queue) finish(t *task, s status) (bool, error) {
	return changed(q.db.Exec(`
		UPDATE tasks SET status = $1, updated_at = now()
		WHERE id = $2 AND generation = $3 AND status IN ('processing', $1)`, s, t.id, t.generation))
}

// beat shows that somebody is at work; false if the task is not ours any more.
func (q *queue) beat(t *task) (bool, error) {
	return changed(q.db.Exec(`
		UPDATE tasks SET updated_at = now()
		WHERE id = $1 AND generation = $2 AND status = 'processing'`, t.id, t.generation))
}

// sweep gives back the tasks of workers that went silent, and says which.
func (q *queue) sweep() ([]int64, error) {
	rows, err := q.db.Query(`
		UPDATE tasks SET status = 'pending', assigned_worker = NULL, updated_at = now()
		WHERE id IN (SELECT id FROM tasks
		             WHERE status = 'processing' AND updated_at < now() - make_interval(secs => $1)
		             FOR UPDATE SKIP LOCKED)
		RETURNING id`, q.stuckSeconds)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var swept []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return swept, err
		}
		swept = append(swept, id)
	}
	return swept, rows.Err()
}

func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}
