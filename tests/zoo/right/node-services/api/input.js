// What a client may send. Every function answers with what was asked for, or throws a Refusal.

const STATUSES = ["pending", "processing", "completed", "failed"];
const BIGGEST_ID = 2n ** 63n - 1n;

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function newTask(body) {
  const { title, description = "", type = "default", payload = {} } = only(body, "title", "description", "type", "payload");
  if (!isObject(payload)) throw new Refusal(422, "payload must be an object");
  return { title: notBlank(title), description: text(description, "description"), type: text(type, "type"), payload };
}

export function change(body) {
  // What else a task has belongs to the workers; a client that sends it is told so.
  const { title, description } = only(body, "title", "description");
  return {
    title: title === undefined ? null : notBlank(title),
    description: description === undefined ? null : text(description, "description"),
  };
}

export function taskId(word) {
  if (!/^[0-9]{1,19}$/.test(word) || BigInt(word) > BIGGEST_ID) throw new Refusal(404, "no task has such an id");
  return word;
}

export function page(query) {
  const status = query.get("status");
  if (status !== null && !STATUSES.includes(status)) throw new Refusal(422, `status must be one of ${STATUSES.join(", ")}`);
  return { status, limit: Math.min(number(query, "limit", 100), 1000), offset: number(query, "offset", 0) };
}

function number(query, name, otherwise) {
  const word = query.get(name);
  if (word === null) return otherwise;
  if (!/^[0-9]{1,9}$/.test(word)) throw new Refusal(422, `${name} must be a number`);
  return Number(word);
}

function only(body, ...names) {
  if (!isObject(body)) throw new Refusal(422, "the body must be a JSON object");
  const others = Object.keys(body).filter((name) => !names.includes(name));
  if (others.length > 0) throw new Refusal(422, `only ${names.join(", ")} can be set`);
  return body;
}

function notBlank(title) {
  if (text(title, "title").trim() === "") throw new Refusal(422, "title must not be blank");
  return title;
}

function text(value, name) {
  if (typeof value !== "string") throw new Refusal(422, `${name} must be a text`);
  // PostgreSQL stores no NUL, and UTF-8 knows no half characters: they would turn into question marks on the way.
  if (value.includes("\0") || !value.isWellFormed()) throw new Refusal(422, `${name} has characters that cannot be stored`);
  return value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
