import { hostname } from "node:os";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { BadSetting, databaseUrl, duration, logLevel } from "../shared/config.js";
import { createLog } from "../shared/log.js";
import { work } from "./handlers.js";
import { Queue } from "./queue.js";

const TRIES = 3;
const PAUSE = 500; // milliseconds between two attempts to reach the database

/** Works until `stop` is aborted; the exit status. */
export async function start(env, stop) {
  let settings;
  try {
    settings = readSettings(env);
  } catch (error) {
    if (!(error instanceof BadSetting)) throw error;
    console.error(error.message);
    return 1;
  }
  const log = createLog("worker", settings.logLevel);
  log.info("worker started", { worker: settings.workerId, pollInterval: settings.pollInterval });
  const begun = () => log.info("shutdown begun, no more tasks are claimed");
  if (stop.aborted) begun();
  else stop.addEventListener("abort", begun, { once: true });

  const queue = new Queue(settings);
  queue.pool.on("connect", () => log.info("connected to the database"));
  // The pool drops a connection that breaks while nobody uses it; without a listener, Node would end the process.
  queue.pool.on("error", (error) => log.warning("an idle connection broke", { error: error.message }));
  await new Worker(settings, queue, log, stop).run();
  await queue.close();
  log.info("shutdown complete");
  return 0;
}

function readSettings(env) {
  return {
    url: databaseUrl(env),
    workerId: env.WORKER_ID ?? `${hostname()}-${process.pid}`,
    pollInterval: duration(env, "WORKER_POLL_INTERVAL", { otherwise: 5000 }),
    taskDuration: duration(env, "WORKER_TASK_DURATION", { otherwise: undefined, zero: true }),
    stuckTimeout: duration(env, "WORKER_STUCK_TIMEOUT", { otherwise: 300_000 }),
    logLevel: logLevel(env),
  };
}

class Worker {
  constructor(settings, queue, log, stop) {
    Object.assign(this, { settings, queue, log, stop });
  }

  async run() {
    while (!this.stop.aborted) {
      try {
        await this.round();
      } catch (error) {
        this.log.warning("the database failed, trying again soon", { error: error.message });
        await this.wait(PAUSE);
      }
    }
  }

  async round() {
    for (const id of await this.queue.release()) this.log.warning("an abandoned task is pending again", { task: id });
    await turn(); // a signal that came together with the answer above is heard here
    if (this.stop.aborted) return;
    const task = await this.queue.claim();
    if (task) {
      await this.process(task);
    } else {
      this.log.info("no pending tasks");
      await this.wait(this.settings.pollInterval);
    }
  }

  /** From the claim to the record of the end. Nothing in here looks at the stop, but for giving up in the end. */
  async process(task) {
    this.log.info("task claimed", { task: task.id, title: task.title });
    const life = this.showLife(task);
    try {
      const began = performance.now();
      let status = "completed";
      let { failures } = task;
      try {
        await work(task, this.settings.taskDuration, this.log);
      } catch (error) {
        failures += 1;
        status = failures < TRIES ? "pending" : "failed";
        this.log.warning("task failed", { task: task.id, failures, error: error.message });
      }
      const seconds = Math.round(performance.now() - began) / 1000;
      await this.record(task, status, failures, seconds);
    } finally {
      life.abort();
    }
  }

  /** Keeps trying without a database; once the worker is to stop, no longer than others leave the task alone. */
  async record(task, status, failures, seconds) {
    const ended = performance.now();
    while (!this.stop.aborted || performance.now() - ended <= this.settings.stuckTimeout) {
      try {
        const ours = await this.queue.finish(task, status, failures);
        if (ours) this.log.info(`task ${status}`, { task: task.id, seconds });
        else this.log.warning("task was taken over or deleted, result dropped", { task: task.id });
        return;
      } catch (error) {
        this.log.warning("cannot store the result, trying again soon", { task: task.id, error: error.message });
        await sleep(PAUSE);
      }
    }
    this.log.error("no database for the result, another worker will do it again", { task: task.id });
  }

  /** Signs of life for the task, four in a timeout, until the controller that it returns is aborted. */
  showLife(task) {
    const end = new AbortController();
    const beat = async () => {
      while (await this.pause(this.settings.stuckTimeout / 4, end.signal)) {
        try {
          if (!(await this.queue.showLife(task))) return;
        } catch (error) {
          this.log.warning("no sign of life", { task: task.id, error: error.message });
        }
      }
    };
    beat();
    return end;
  }

  wait(milliseconds) {
    return this.pause(milliseconds, this.stop);
  }

  /** Whether the time passed without the signal being aborted. */
  async pause(milliseconds, signal) {
    try {
      await sleep(milliseconds, true, { signal });
      return true;
    } catch {
      return false;
    }
  }
}
