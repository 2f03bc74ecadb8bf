import { setTimeout as sleep } from "node:timers/promises";

const handlers = {
  default: async () => {},
  email: async (task, log) => log.info("email sent", { task: task.id }),
};

/** Rejects when the work fails. */
export async function work(task, milliseconds, log) {
  const handle = Object.hasOwn(handlers, task.type) ? handlers[task.type] : handlers.default;
  await handle(task, log);
  await sleep(milliseconds ?? 2000 + 3000 * Math.random());
  if (task.payload?.fail === true) throw new Error("the payload says so");
}
