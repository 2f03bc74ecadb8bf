import { once } from "node:events";
import { createServer } from "node:http";
import { BadSetting, databaseUrl, logLevel, port } from "../shared/config.js";
import { createLog } from "../shared/log.js";
import { route } from "./routes.js";
import { Tasks } from "./tasks.js";

/** Serves until `stop` is aborted and all requests are answered; the exit status. */
export async function start(env, stop) {
  let settings;
  try {
    settings = { url: databaseUrl(env), port: port(env), logLevel: logLevel(env) };
  } catch (error) {
    if (!(error instanceof BadSetting)) throw error;
    console.error(error.message);
    return 1;
  }
  const log = createLog("api", settings.logLevel);
  const tasks = new Tasks(settings.url, log);
  const server = createServer((request, response) => answer(request, response, tasks, log, stop));
  server.listen(settings.port, env.API_HOST ?? "127.0.0.1");
  await once(server, "listening");
  log.info("listening", server.address());

  if (!stop.aborted) await once(stop, "abort");
  log.info("shutdown begun");
  server.close(); // and with it the connections that are idle
  await once(server, "close");
  await tasks.close();
  log.info("shutdown complete");
  return 0;
}

async function answer(request, response, tasks, log, stop) {
  const { status, body } = await route(request, tasks, log);
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(text),
    // A connection kept alive would keep the process alive.
    ...(stop.aborted && { Connection: "close" }),
  });
  response.end(text);
  log.debug("answered", { method: request.method, url: request.url, status });
}
