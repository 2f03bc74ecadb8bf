// The acts with Go's lib/pq; see acts.py. Flavour "prepared" prepares what is asked seven times.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lib/pq"
)

const (
	insert = "INSERT INTO wire_items (n, name) VALUES (1, 'one')"
	update = "UPDATE wire_items SET name = 'two' WHERE n = 1"
	choose = "SELECT 1 + 1 AS wire"
	fail   = "SELECT 1 / 0 AS wire"
	many   = "SELECT n, 'wire ' || n FROM generate_series(1, 5000) n"
)

var (
	ctx  = context.Background()
	all  = []string{"select", "write", "commit", "rollback", "error", "failed", "parameters", "large", "rows", "notify", "prepared"}
	conn *sql.Conn
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(query string, values ...any) int {
	var found int
	must(conn.QueryRowContext(ctx, query, values...).Scan(&found))
	return found
}

func write(query string) {
	_, err := conn.ExecContext(ctx, query)
	must(err)
}

func state(err error) string {
	var problem *pq.Error
	if errors.As(err, &problem) {
		return string(problem.Code)
	}
	return "none"
}

func inTransaction(end func(*sql.Tx) error, queries ...string) string {
	tx, err := conn.BeginTx(ctx, nil)
	must(err)
	told := "none"
	for _, query := range queries {
		if _, err := tx.ExecContext(ctx, query); err != nil {
			told = state(err)
		}
	}
	must(end(tx))
	return told
}

func act(name, url, flavour string) any {
	switch name {
	case "select":
		return number(choose)
	case "write":
		write(insert)
	case "commit":
		inTransaction((*sql.Tx).Commit, insert, update)
	case "rollback":
		inTransaction((*sql.Tx).Rollback, insert)
	case "error":
		_, err := conn.ExecContext(ctx, fail)
		return []any{state(err), number(choose)}
	case "failed":
		return inTransaction((*sql.Tx).Rollback, insert, fail)
	case "parameters":
		var n int
		var nothing, text *string
		row := conn.QueryRowContext(ctx, "SELECT $1::int, $2::text, $3::text AS wire", 7, nil, "żółw")
		must(row.Scan(&n, &nothing, &text))
		return []any{n, nothing, text}
	case "large":
		text, value := strings.Repeat("ż", 500000), ""
		must(conn.QueryRowContext(ctx, "/* wire */ SELECT $1::text", text).Scan(&value))
		return value == text
	case "rows":
		rows, err := conn.QueryContext(ctx, many)
		must(err)
		defer rows.Close()
		count, text := 0, ""
		for n := 0; rows.Next(); count++ {
			must(rows.Scan(&n, &text))
		}
		return []any{count, text}
	case "notify":
		return listen(url)
	case "prepared":
		found := []int{}
		if flavour != "prepared" {
			for n := 0; n < 7; n++ {
				found = append(found, number("SELECT $1::int + 1 AS wire", n))
			}
			return found
		}
		statement, err := conn.PrepareContext(ctx, "SELECT $1::int + 1 AS wire")
		must(err)
		defer statement.Close()
		for n, one := 0, 0; n < 7; n++ {
			must(statement.QueryRowContext(ctx, n).Scan(&one))
			found = append(found, one)
		}
		return found
	}
	return nil
}

// A listener of lib/pq has a connection of its own.
func listen(url string) string {
	listener := pq.NewListener(url, time.Second, time.Second, nil)
	defer listener.Close()
	must(listener.Listen("wire_channel"))
	write("NOTIFY wire_channel, 'hello'")
	select {
	case said := <-listener.Notify:
		return said.Extra
	case <-time.After(10 * time.Second):
		return "none came"
	}
}

func main() {
	url, flavour, names := os.Args[1], os.Args[2], os.Args[3:]
	if len(names) == 0 {
		names = all
	}
	db, err := sql.Open("postgres", url)
	must(err)
	conn, err = db.Conn(ctx)
	must(err)
	seen := map[string]any{}
	for _, name := range names {
		seen[name] = act(name, url, flavour)
	}
	must(conn.Close())
	must(db.Close())
	must(json.NewEncoder(os.Stdout).Encode(seen))
}
