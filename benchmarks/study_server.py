"""How fast ``bench study serve`` takes answers, and that it loses and doubles none when it is killed.

Usage: ``python benchmarks/study_server.py PACKET [--participants 200] [--answers 50]``. Each simulated
participant has a loopback address of its own and thinks for one to three seconds before an answer. Halfway
the server gets SIGKILL and is started again. The packet needs as many forms as there are participants.
"""

import argparse
import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Server:
    """The process, and the port that it keeps over a restart."""

    def __init__(self, packet, store):
        self.command = [sys.executable, "-m", "fesbench", "study", "serve", packet, "--answers", str(store)]
        self.port, self.process = 0, None

    def start(self):
        command = [*self.command, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rstrip("/\n").rpartition(":")[2])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


async def post(server, address, path, body):
    """Status and JSON of one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(address, 0))
    try:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
        head += "Content-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        reply = await reader.read()
        head, _, content = reply.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(content)
    finally:
        writer.close()


async def until_kept(server, address, path, body):
    """Ask until the server says yes, as the page does; returns the answer and the seconds of the last try."""
    for _ in range(600):
        began = time.perf_counter()
        try:
            status, content = await post(server, address, path, body)
            if status == 200:
                return content, time.perf_counter() - began
        except (OSError, IndexError, ValueError):
            pass
        await asyncio.sleep(0.5)
    raise TimeoutError(f"{path} was refused for five minutes")


async def take_part(server, number, count, kept, seconds):
    """One participant; what was acknowledged goes to ``kept``."""
    address, token = f"127.1.{number // 250}.{number % 250 + 1}", f"{number:032x}"
    await asyncio.sleep(random.random() * 5)
    start = {"participant": f"p{number}", "token": token}
    content, _ = await until_kept(server, address, "/api/start", start)
    for trial in content["form"]["trials"][:count]:
        await asyncio.sleep(1 + 2 * random.random())
        answer = random.choice(trial["choices"])
        body = {"token": token, "trial_id": trial["id"], "answer": answer, "rt_ms": 1500}
        _, took = await until_kept(server, address, "/api/answer", body)
        seconds.append(took)
        kept[f"p{number}", trial["id"]] = answer


async def simulate(server, participants, count):
    """All participants at once, with a kill halfway; returns what was acknowledged, and each time."""
    kept, seconds = {}, []
    tasks = [asyncio.create_task(take_part(server, n, count, kept, seconds)) for n in range(participants)]
    while len(kept) < participants * count // 2:
        await asyncio.sleep(0.05)
        if all(task.done() for task in tasks):
            break
    server.kill()
    await asyncio.to_thread(server.start)
    await asyncio.gather(*tasks)
    return kept, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("packet")
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--answers", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "answers.sqlite")
        server = Server(options.packet, store)
        server.start()
        kept, seconds = asyncio.run(simulate(server, options.participants, options.answers))
        server.process.terminate()
        server.process.wait()
        rows = sqlite3.connect(store).execute("SELECT participant, trial, answer FROM answers").fetchall()
    found = {(who, trial): answer for who, trial, answer in rows}
    seconds.sort()
    for share in (0.5, 0.95, 0.99):
        print(f"p{100 * share:g} latency: {1000 * seconds[int(share * (len(seconds) - 1))]:.1f} ms")
    print(f"{len(kept)} answers acknowledged, {len(rows)} kept, lost {len(kept.keys() - found.keys())}")
    if found != kept or len(rows) != len(kept):
        raise SystemExit("what was acknowledged is not what was kept")


if __name__ == "__main__":
    main()
