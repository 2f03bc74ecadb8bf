const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"]) process.on(name, () => stop.abort());

const { start } = await import("./server.js");
process.exitCode = await start(process.env, stop.signal);
