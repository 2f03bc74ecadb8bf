const LEVELS = ["debug", "info", "warning", "error"];

/** One JSON object for each line. Writes to a pipe are synchronous, so a line is out when the call returns. */
export function createLog(service, least) {
  const write = (level) => (message, fields = {}) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
    const line = { time: new Date().toISOString(), level, service, message, ...fields };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  return Object.fromEntries(LEVELS.map((level) => [level, write(level)]));
}
