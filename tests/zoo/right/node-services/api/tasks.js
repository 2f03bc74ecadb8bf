import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const HEALTH = 1500; // milliseconds; the caller wants an answer within two seconds

const COLUMNS = "id, title, description, type, payload, status, assigned_worker, created_at, updated_at";

// A BIGINT is a string to pg, since not every one fits a number. These do, for the next 285 million years at one a second.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** All SQL of the api-service. Each statement is a transaction, committed when the answer is there. */
export class Tasks {
  constructor(url, log) {
    this.url = url;
    this.pool = new pg.Pool({ connectionString: url, max: 12, connectionTimeoutMillis: 5000 });
    this.pool.on("error", (error) => log.warning("an idle connection broke", { error: error.message }));
  }

  close() {
    return this.pool.end();
  }

  /** Whether the database answers in time. On a connection of its own: the pool may be busy, or stale. */
  async answer() {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: HEALTH });
    client.on("error", () => {});
    const ask = async () => {
      await client.connect();
      await client.query("SELECT 1");
      return true;
    };
    const late = new AbortController();
    try {
      return await Promise.race([ask(), sleep(HEALTH, false, { signal: late.signal })]);
    } catch {
      return false;
    } finally {
      late.abort();
      client.end().catch(() => {});
    }
  }

  async list({ status, limit, offset }) {
    const { rows } = await this.pool.query(
      `SELECT ${COLUMNS} FROM tasks WHERE $1::text IS NULL OR status = $1
       ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3`,
      [status, limit, offset],
    );
    return rows;
  }

  create({ title, description, type, payload }) {
    return this.one(
      `INSERT INTO tasks (title, description, type, payload) VALUES ($1, $2, $3, $4) RETURNING ${COLUMNS}`,
      [title, description, type, payload],
    );
  }

  read(id) {
    return this.one(`SELECT ${COLUMNS} FROM tasks WHERE id = $1`, [id]);
  }

  /** null leaves a value as it is. */
  update(id, { title, description }) {
    return this.one(
      `UPDATE tasks SET title = coalesce($2, title), description = coalesce($3, description), updated_at = now()
       WHERE id = $1 RETURNING ${COLUMNS}`,
      [id, title, description],
    );
  }

  remove(id) {
    return this.one(`DELETE FROM tasks WHERE id = $1 RETURNING ${COLUMNS}`, [id]);
  }

  async one(sql, values) {
    const { rows } = await this.pool.query(sql, values);
    return rows[0];
  }
}
