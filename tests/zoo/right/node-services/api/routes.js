import { json } from "node:stream/consumers";
import { Refusal, change, newTask, page, taskId } from "./input.js";

const LARGEST = 1024 * 1024;

/** The answer to a request, whatever happens. */
export async function route(request, tasks, log) {
  try {
    return await answerTo(request, tasks);
  } catch (error) {
    if (error instanceof Refusal) return refuse(error.status, error.message);
    // Class 22 of PostgreSQL's codes: a value that it cannot store.
    if (error.code?.startsWith?.("22")) return refuse(422, "a value in the request cannot be stored");
    log.warning("request failed", { method: request.method, url: request.url, error: error.message });
    return refuse(503, "the task cannot be reached now, try again later");
  }
}

async function answerTo(request, tasks) {
  const [path, query = ""] = request.url.split("?", 2);
  const [, collection, id, more] = path.split("/");
  if (collection === "health" && id === undefined && request.method === "GET") {
    const alive = await tasks.answer();
    return { status: alive ? 200 : 503, body: { database: alive ? "up" : "down" } };
  }
  if (collection !== "tasks" || more !== undefined) throw new Refusal(404, "there is nothing here");
  switch (id === undefined ? request.method : `${request.method} one`) {
    case "GET":
      return { status: 200, body: { items: await tasks.list(page(new URLSearchParams(query))) } };
    case "POST":
      return { status: 201, body: await tasks.create(newTask(await body(request))) };
    case "GET one":
      return found(await tasks.read(taskId(id)));
    case "PUT one":
      return found(await tasks.update(taskId(id), change(await body(request))));
    case "DELETE one":
      return found(await tasks.remove(taskId(id)));
    default:
      throw new Refusal(404, "there is no such request");
  }
}

async function body(request) {
  if (!(Number(request.headers["content-length"] ?? LARGEST) <= LARGEST)) throw new Refusal(422, "the body is too large");
  try {
    return await json(request);
  } catch {
    throw new Refusal(400, "the body is no JSON");
  }
}

function found(task) {
  if (!task) throw new Refusal(404, "there is no such task");
  return { status: 200, body: task };
}

function refuse(status, error) {
  return { status, body: { error } };
}
