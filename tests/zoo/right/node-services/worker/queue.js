import { randomUUID } from "node:crypto";
import pg from "pg";

const CONNECTIONS = 2; // the loop, and the sign of life

/** All SQL of the worker. Methods reject with the driver's error. */
export class Queue {
  constructor({ url, workerId, stuckTimeout }) {
    this.workerId = workerId;
    this.stuckSeconds = stuckTimeout / 1000;
    this.pool = new pg.Pool({
      connectionString: url,
      max: CONNECTIONS,
      connectionTimeoutMillis: 3000,
      application_name: workerId,
    });
  }

  close() {
    return this.pool.end();
  }

  /** The oldest pending task, which is ours now; undefined if there is none. */
  async claim() {
    const client = await this.pool.connect();
    const claim = randomUUID();
    let broken;
    try {
      await client.query("BEGIN");
      const { rows } = await client.query(
        `SELECT id, title, type, payload, failures FROM tasks WHERE status = 'pending'
         ORDER BY created_at, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED`,
      );
      if (rows.length > 0) {
        await client.query(
          `UPDATE tasks SET status = 'processing', assigned_worker = $1, claim_id = $2, updated_at = now()
           WHERE id = $3`,
          [this.workerId, claim, rows[0].id],
        );
      }
      await client.query("COMMIT");
      return rows[0] && { ...rows[0], claim };
    } catch (error) {
      broken = error;
      throw error;
    } finally {
      client.release(broken); // with an error: closed, which rolls back
    }
  }

  /**
   * How the work ended: "completed", "failed", or "pending" for another try. False if the claim is not the task's
   * last one any more. Saying it twice does no harm, so it may be said again when the answer got lost.
   */
  async finish(task, status, failures) {
    const { rowCount } = await this.pool.query(
      `UPDATE tasks SET status = $1, failures = $2, updated_at = now(),
              assigned_worker = CASE WHEN $1 = 'pending' THEN NULL ELSE assigned_worker END
       WHERE id = $3 AND claim_id = $4 AND status IN ('processing', $1)`,
      [status, failures, task.id, task.claim],
    );
    return rowCount === 1;
  }

  async showLife(task) {
    const { rowCount } = await this.pool.query(
      "UPDATE tasks SET updated_at = now() WHERE id = $1 AND claim_id = $2 AND status = 'processing'",
      [task.id, task.claim],
    );
    return rowCount === 1;
  }

  /** Ids of the tasks that showed no life for longer than the timeout. They are pending now. */
  async release() {
    const { rows } = await this.pool.query(
      `UPDATE tasks SET status = 'pending', assigned_worker = NULL, claim_id = NULL, updated_at = now()
       WHERE id IN (SELECT id FROM tasks
                    WHERE status = 'processing' AND updated_at < now() - make_interval(secs => $1)
                    FOR UPDATE SKIP LOCKED)
       RETURNING id`,
      [this.stuckSeconds],
    );
    return rows.map((row) => row.id);
  }
}
