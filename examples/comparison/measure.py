"""Runs one generator against a fresh service on a fresh Redis, and prints what it cost and what everyone counted.

    API_KEY=k python3 measure.py NAME [--service PATH] [--realtime] [--out DIR] -- GENERATOR ARGUMENTS...

The generator finds the service's address in TARGET_URL, and `{url}` in its arguments is replaced by it. Redis and the
service run on core 0, the generator on core 1. CPU time is that of the process and all its children when they have
ended; memory is the greatest sum of resident memory over the process tree, read every 100 ms.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PAGE = os.sysconf("SC_PAGE_SIZE")


def pinned(core, realtime):
    return ["taskset", "-c", str(core)] + (["chrt", "-f", "10"] if realtime else [])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tree(pid):
    found = [pid]
    for parent in found:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                pass
    return found


def resident(pid):
    total = 0
    for process in tree(pid):
        try:
            total += int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
        except (OSError, IndexError):
            pass
    return total


def run(command, env, log):
    started = time.monotonic()
    process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    peak = 0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, resident(process.pid))
        time.sleep(0.1)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "took_s": round(time.monotonic() - started, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_rss_mib": round(peak / 2**20, 1),
    }


def seen_by_service(url):
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()
    endpoints, statuses, total, buckets = {}, {}, 0.0, {}
    for path, status, count in re.findall(r'http_requests_total\{.*?path="(/api/v1/.*?)",status="(.*?)"\} (\d+)', text):
        endpoints[path] = endpoints.get(path, 0) + int(count)
        statuses[status] = statuses.get(status, 0) + int(count)
    for seconds in re.findall(r'duration_seconds_sum\{.*?path="/api/v1/.*?"\} ([\d.]+)', text):
        total += float(seconds)
    for bound, count in re.findall(r'duration_seconds_bucket\{.*?path="/api/v1/.*?",le="(.*?)"\} (\d+)', text):
        buckets[bound] = buckets.get(bound, 0) + int(count)
    cache = {kind: sum(map(int, re.findall(rf"cache_{kind}_total\{{.*?\}} (\d+)", text))) for kind in ("hits", "misses")}
    count = sum(endpoints.values())
    mean = round(1000 * total / count, 2) if count else None
    return {"requests": count, "endpoints": endpoints, "statuses": statuses, "mean_ms": mean, "buckets": buckets, **cache}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--service", default="target/release/example-service")
    parser.add_argument("--realtime", action="store_true", help="chrt -f 10 for all three, so that nothing disturbs")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/comparison"))
    if "--" not in sys.argv:
        parser.error("the generator's command comes after --")
    split = sys.argv.index("--")
    args, command = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1 :]
    args.out.mkdir(parents=True, exist_ok=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as scratch, open(args.out / f"{args.name}.log", "w") as log:
        redis = subprocess.Popen(
            pinned(0, args.realtime)
            + ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", scratch],
            stdout=subprocess.DEVNULL,
        )
        service = subprocess.Popen(
            pinned(0, args.realtime)
            + [args.service, "--listen", "127.0.0.1:0", "--redis", f"redis://127.0.0.1:{port}", "--log-dir", scratch]
            + ["--threads", "1", "--pool-size", "1000"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            url = service.stdout.readline().split()[-1]
            env = dict(os.environ, TARGET_URL=url, REDIS_URL=f"redis://127.0.0.1:{port}", LOG_DIR=scratch)
            time.sleep(1)
            cost = run(pinned(1, args.realtime) + [word.replace("{url}", url) for word in command], env, log)
            seen = seen_by_service(url)
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait()
            redis.send_signal(signal.SIGTERM)
            redis.wait()
    per_thousand = round(1000 * cost["cpu_s"] / seen["requests"], 3) if seen["requests"] else None
    result = {"name": args.name, **cost, "cpu_s_per_1000": per_thousand, "service": seen}
    (args.out / f"{args.name}.json").write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
