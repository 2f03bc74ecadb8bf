// Signals first: from here on they are requests. What takes time to load comes after that.
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"]) process.on(name, () => stop.abort());

const { start } = await import("./worker.js");
process.exitCode = await start(process.env, stop.signal);
