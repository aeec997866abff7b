"""A node in a process of its own: folder, address, name, hosts as JSON."""

import json
import sys
from pathlib import Path

from fedqml.federation.flower_node import Post, serve
from fedqml.federation.memory import Memory
from fedqml.federation.worker import worker


def log(sentence):
    print(sentence, flush=True)


if __name__ == "__main__":
    folder, name = Path(sys.argv[1]), sys.argv[3]
    own = folder / name
    post = Post(sys.argv[2], folder / "ca.crt", own / "node.key", None, own, 2 << 30)
    serve(post, worker(json.loads(sys.argv[4]), own, Memory(own), lambda job: None), log)
