import { execFileSync } from "node:child_process";
import { type Figure, rateOf } from "../figure.ts";
import { legsReport, type Ratio, type Run } from "../legs/report.ts";

const cpuOf = ({ mainCpuUsPerOp }: Figure) => mainCpuUsPerOp;

const RATIOS: Ratio[] = [
  {
    what: "gRPC on the one port : on its own, rate",
    of: "one-port",
    over: "own-port",
    value: rateOf,
    aim: 0.97,
  },
  { what: "REST : bare node:http, rate", of: "rest", over: "echo", value: rateOf, aim: 0.6 },
  { what: "short path : Flask and Redis, rate", of: "short", over: "flask", value: rateOf, aim: 10 },
  { what: "short path : Flask with threads, rate", of: "short", over: "flask-threads", value: rateOf },
  { what: "gRPC on the one port : on its own, CPU a call", of: "one-port", over: "own-port", value: cpuOf },
  { what: "REST : bare node:http, CPU a call", of: "rest", over: "echo", value: cpuOf },
];

/** @returns the results as Markdown. */
export function report(run: Run): string {
  return legsReport(
    {
      title: "What the doors cost",
      name: "doors",
      run: [
        `- Beside: ${flaskVersions()}`,
        `- Run: ${run.seconds} s a leg (gRPC: half of that, twice), each warmed up before; the one generator for all is h2load`,
      ],
      aims: [
        "The median of ratios, each of two legs that ran after another; then the middle half of them, the lowest and the",
        "highest. CPU is that of the server's main thread, which has the network.",
      ],
      figures: [
        "Medians. Over gRPC 8 connections with 32 calls each, over HTTP/1.1 64 connections. CPU of Flask is left out, for it",
        "is that of many processes.",
      ],
      ratios: RATIOS,
    },
    run,
  );
}

function flaskVersions(): string {
  const gunicorn = execFileSync("gunicorn", ["--version"], { encoding: "utf8" });
  const flask = execFileSync("/usr/bin/python3", ["-c", "import flask; print(flask.__version__)"], {
    encoding: "utf8",
  });
  return `Flask ${flask.trim()}, gunicorn ${/[\d.]+/.exec(gunicorn)![0]}`;
}
