export class BadSetting extends Error {}

const LEVELS = ["debug", "info", "warning", "error"];
const LONGEST = 2_000_000; // seconds; Node's timers cannot wait for more than 2^31 milliseconds

export function databaseUrl(env) {
  try {
    const { protocol, hostname } = new URL(env.DATABASE_URL ?? "");
    if (["postgres:", "postgresql:"].includes(protocol) && hostname) return env.DATABASE_URL;
  } catch {
    // The error quotes the URL, so it is not shown.
  }
  throw new BadSetting("DATABASE_URL is not set to a URL such as postgresql://user:password@host:port/name");
}

export function port(env) {
  const text = env.API_PORT ?? "8080";
  if (/^\d{1,5}$/.test(text) && text > 0 && text < 65536) return Number(text);
  throw new BadSetting(`API_PORT is ${JSON.stringify(text)}, which is no port`);
}

/** In milliseconds; the variable is in seconds. */
export function duration(env, name, { otherwise, zero = false }) {
  const text = env[name];
  if (text === undefined) return otherwise;
  const seconds = /^\s*[+-]?(\d+\.?\d*|\.\d+)\s*$/.test(text) ? Number(text) : NaN;
  if (seconds <= LONGEST && (seconds > 0 || (zero && seconds === 0))) return seconds * 1000;
  throw new BadSetting(`${name} is ${JSON.stringify(text)}, which is no usable number of seconds`);
}

export function logLevel(env) {
  const level = (env.LOG_LEVEL ?? "info").toLowerCase();
  if (LEVELS.includes(level)) return level;
  throw new BadSetting(`LOG_LEVEL is ${JSON.stringify(level)}, not one of ${LEVELS.join(", ")}`);
}
