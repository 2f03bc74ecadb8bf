// The acts with Node's pg; see acts.py. Flavour "prepared" names its statements, so that they are prepared.
const { Client } = require("pg");

const SELECT = "SELECT 1 + 1 AS wire";
const INSERT = "INSERT INTO wire_items (n, name) VALUES (1, 'one')";
const UPDATE = "UPDATE wire_items SET name = 'two' WHERE n = 1";
const FAIL = "SELECT 1 / 0 AS wire";
const MANY = "SELECT n, 'wire ' || n FROM generate_series(1, 5000) n";
const ALL = ["select", "write", "commit", "rollback", "error", "failed", "parameters", "large", "rows", "notify", "prepared"];

async function main() {
  const [url, flavour, ...names] = process.argv.slice(2);
  const client = new Client({ connectionString: url });
  client.on("error", () => process.exit(1));
  await client.connect();
  const ask = async (text, values) => {
    const name = flavour === "prepared" ? text : undefined;
    return (await client.query({ text, values, name, rowMode: "array" })).rows;
  };
  const failure = async (text) => {
    try {
      await ask(text);
    } catch (problem) {
      return problem.code;
    }
  };
  const acts = {
    select: () => ask(SELECT),
    write: () => ask(INSERT),
    commit: async () => {
      await client.query("BEGIN");
      await ask(INSERT);
      await ask(UPDATE);
      await client.query("COMMIT");
    },
    rollback: async () => {
      await client.query("BEGIN");
      await ask(INSERT);
      await client.query("ROLLBACK");
    },
    error: async () => [await failure(FAIL), await ask(SELECT)],
    failed: async () => {
      await client.query("BEGIN");
      await ask(INSERT);
      const state = await failure(FAIL);
      await client.query("ROLLBACK");
      return state;
    },
    parameters: () => ask("SELECT $1::int, $2::text, $3::text AS wire", [7, null, "żółw"]),
    large: async () => {
      const text = "ż".repeat(500000);
      const [[value]] = await ask("/* wire */ SELECT $1::text", [text]);
      return [value.length, value === text];
    },
    rows: async () => {
      const found = await ask(MANY);
      return [found.length, found[found.length - 1]];
    },
    notify: async () => {
      const heard = new Promise((resolve) => client.once("notification", (said) => resolve(said.payload)));
      await client.query("LISTEN wire_channel");
      await client.query("NOTIFY wire_channel, 'hello'");
      return heard;
    },
    prepared: async () => {
      const found = [];
      for (let n = 0; n < 7; n++) found.push(await ask("SELECT $1::int + 1 AS wire", [n]));
      return found;
    },
  };
  const seen = {};
  for (const name of names.length ? names : ALL) seen[name] = (await acts[name]()) ?? null;
  await client.end();
  console.log(JSON.stringify(seen));
}

main().catch((problem) => {
  console.error(problem.message);
  process.exit(1);
});
