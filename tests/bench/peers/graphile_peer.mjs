// graphile-worker: a local queue of 500, completions in batches, 24 jobs at once; deletes what has ended.
// It understands the commands of drive.py, and writes into the probe of probe.py.
import fs from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const require = createRequire(`${process.env.BENCH_NODE}/`);
const { run, runMigrations, makeWorkerUtils, Logger } = require("graphile-worker");
const { Pool } = require("pg");

const BEGAN = 64;
const SENT = 64 + 2048;
const BATCH = 1000;
const connectionString = process.env.BENCH_POSTGRES;
const [command, words] = [process.argv[2], process.argv[3]];
const count = Number(words ?? 0);
const logger = new Logger(() => () => {});
const probe = fs.openSync(process.env.BENCH_PROBE, "r+");
const cell = Buffer.alloc(8);

function write(place, value) {
  cell.writeBigInt64LE(BigInt(value));
  fs.writeSync(probe, cell, 0, 8, place * 8);
}

function read(place) {
  fs.readSync(probe, cell, 0, 8, place * 8);
  return cell.readBigInt64LE();
}

async function submit(pool) {
  const spec = "('noop', '{}'::json, null, null, null::smallint, null, null::smallint, null)";
  const began = process.hrtime.bigint();
  for (let begin = 0; begin < count; begin += BATCH) {
    await pool.query(
      `select 1 from graphile_worker.add_jobs(array(
         select ${spec}::graphile_worker.job_spec from generate_series(1, $1)))`,
      [Math.min(BATCH, count - begin)],
    );
  }
  console.log(JSON.stringify({ seconds: Number(process.hrtime.bigint() - began) / 1e9 }));
}

async function latency(pool) {
  const utils = await makeWorkerUtils({ pgPool: pool, logger });
  for (let number = 0; number < count; number++) {
    write(SENT + number, process.hrtime.bigint());
    await utils.addJob("noop", { number });
    while (!read(BEGAN + number)) await pause(1);
    await pause(5 + Math.random() * 10);
  }
  await utils.release();
}

async function work() {
  let [ran, told] = [0, 0];
  const slot = Number(process.env.BENCH_SLOT);
  setInterval(() => {
    if (ran !== told) write(slot, (told = ran));
  }, 2);
  const preset = {
    worker: {
      connectionString,
      concurrentJobs: 24,
      maxPoolSize: 10,
      localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  };
  const noop = async (payload) => {
    if (payload?.number !== undefined) write(BEGAN + payload.number, process.hrtime.bigint());
    ran += 1;
  };
  const runner = await run({ preset, logger, taskList: { noop } });
  await runner.promise;
}

if (command === "worker") {
  await work();
} else if (command === "setup") {
  await runMigrations({ connectionString, logger });
} else {
  const pool = new Pool({ connectionString, max: 10 });
  await (command === "submit" ? submit : latency)(pool);
  await pool.end();
}
