"""Times faiss, torch and scikit-learn on the features of bench/engine.ts, one JSON request a line, one answer a line.

CPU seconds of the whole process, since the machine may be busy; each request names its threads.
"""
import json
import os
import sys
import time

threads = int(sys.argv[1])
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = str(threads)
# Idle threads of OpenMP would otherwise spin and be counted.
os.environ["OMP_WAIT_POLICY"] = "passive"

import numpy as np  # noqa: E402

state = {}


def timed(work):
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, {"cpuSeconds": time.process_time() - cpu, "seconds": time.perf_counter() - wall}


def load(request):
    state["x"] = np.fromfile(request["file"], dtype=np.float32).reshape(request["rows"], request["cols"])
    state["exact"] = np.fromfile(request["exact"], dtype=np.int32).reshape(request["sample"], request["k"])
    return {"ok": True}


def recall(found, rows):
    """Of found lists that begin with any row of `rows`, whose exact lists were given."""
    exact = state["exact"]
    hits = 0
    for i in range(len(rows)):
        hits += len(np.intersect1d(found[i][found[i] != rows[i]], exact[i]))
    return hits / exact[: len(rows)].size


def faiss_flat(request):
    import faiss

    faiss.omp_set_num_threads(threads)
    x = state["x"]
    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x)
    queries = x[: request["queries"]]
    (_, ids), time_taken = timed(lambda: index.search(queries, request["k"] + 1))
    share = len(queries) / len(x)
    rows = np.arange(min(len(state["exact"]), len(queries)))
    return {**time_taken, "cpuSeconds": time_taken["cpuSeconds"] / share, "recall": recall(ids[: len(rows)], rows)}


def faiss_ivf(request):
    """The cheapest probe count that reaches the wanted recall; training is not counted."""
    import faiss

    faiss.omp_set_num_threads(threads)
    x = state["x"]
    if "ivf" not in state:
        lists = int(4 * np.sqrt(len(x)))
        quantizer = faiss.IndexFlatIP(x.shape[1])
        index = faiss.IndexIVFFlat(quantizer, x.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
        _, training = timed(lambda: (index.train(x[: 64 * lists]), index.add(x)))
        rows = np.arange(len(state["exact"]))
        probes = 4
        while probes < lists:
            index.nprobe = probes
            _, ids = index.search(x[: len(rows)], request["k"] + 1)
            reached = recall(ids, rows)
            if reached >= request["recall"]:
                break
            probes = int(probes * 1.3) + 1
        state["ivf"] = (index, probes, reached, training)
    index, probes, reached, training = state["ivf"]
    queries = x[: request["queries"]]
    _, time_taken = timed(lambda: index.search(queries, request["k"] + 1))
    share = len(queries) / len(x)
    return {"cpuSeconds": time_taken["cpuSeconds"] / share, "recall": reached, "probes": probes, "trainCpuSeconds": training["cpuSeconds"]}


def torch_knn(request):
    import torch

    torch.set_num_threads(threads)
    x = torch.from_numpy(state["x"])
    count = min(request["queries"], 4096)

    def work():
        for begin in range(0, count, 1024):
            torch.topk(x[begin : begin + 1024] @ x.T, request["k"] + 1, dim=1)

    _, time_taken = timed(work)
    return {"cpuSeconds": time_taken["cpuSeconds"] * len(x) / count}


def sklearn_knn(request):
    from sklearn.neighbors import NearestNeighbors

    x = state["x"]
    count = min(request["queries"], 2048)
    model = NearestNeighbors(n_neighbors=request["k"] + 1, metric="cosine", algorithm="brute").fit(x)
    _, time_taken = timed(lambda: model.kneighbors(x[:count], return_distance=True))
    return {"cpuSeconds": time_taken["cpuSeconds"] * len(x) / count}


def torch_steps(request):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    nn = torch.nn

    def best(step):
        step()
        return min(timed(step)[1]["cpuSeconds"] for _ in range(request["runs"]))

    v_net = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.PReLU(512), nn.Linear(512, 1))
    v_input, v_target = torch.rand(2048, 512), torch.rand(2048, 1)

    def v_step():
        v_net.zero_grad()
        nn.functional.mse_loss(v_net(v_input), v_target).backward()

    widths = [512, 512, 512, 256, 256]
    convs = nn.ModuleList([nn.Linear(2 * widths[i], widths[i + 1]) for i in range(4)])
    head = nn.Sequential(nn.Linear(256, 256), nn.PReLU(256), nn.Linear(256, 2))
    e_input, adjacency = torch.rand(64, 80, 512), torch.rand(64, 80, 80) / 80
    e_target = torch.randint(0, 2, (64 * 80,))

    def e_step():
        convs.zero_grad()
        head.zero_grad()
        h = e_input
        for conv in convs:
            h = torch.relu(conv(torch.cat([h, adjacency @ h], 2)))
        nn.functional.cross_entropy(head(h.reshape(-1, 256)), e_target).backward()

    return {"gcnV": best(v_step), "gcnE": best(e_step)}


WORK = {
    "load": load,
    "faiss flat": faiss_flat,
    "faiss ivf": faiss_ivf,
    "torch mm + topk": torch_knn,
    "scikit-learn brute": sklearn_knn,
    "torch steps": torch_steps,
}
for line in sys.stdin:
    message = json.loads(line)
    try:
        answer = WORK[message["what"]](message)
    except ImportError as error:
        answer = {"missing": str(error)}
    print(json.dumps(answer), flush=True)
