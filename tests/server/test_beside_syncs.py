"""Reads over HTTP while events come and compactions are synced: no event is lost, and none is counted twice."""

import random
import threading
from pathlib import Path

import httpx

from tests.pipelines import day
from tests.server.servers import BATCH, GET, params, rows, served
from tests.streams import opened, record, source, view_of

ROUNDS = 12


def test_never_lost_never_twice(tmp_path: Path, online_url: str, stream_url: str, seed: int) -> None:
    """Every read gives at least what was visible before it was asked, and at most what was pushed before it was answered."""
    drawn = random.Random(seed)
    pushed, visible, wrong, reads = [0], [0], list[tuple[int, int, int]](), [0]
    stop = threading.Event()
    with opened(tmp_path, online_url, stream_url, view_of(source())) as ws, served(ws) as client:

        def read(*, batch: bool) -> None:
            with httpx.Client(base_url=client.base_url, timeout=30) as own:
                while not stop.is_set():
                    least = visible[0]
                    if batch:
                        said = own.post(BATCH, json=rows("spend", [{"user": "ann"}] * 3)).json()["result"]
                    else:
                        said = [own.post(GET, json=params("spend", {"user": "ann"})).json()["result"]]
                    most = pushed[0]
                    reads[0] += 1
                    wrong.extend((least, int(row["features"][3]), most) for row in said)
                    wrong[:] = [each for each in wrong if not each[0] <= each[1] <= each[2]]

        threads = [threading.Thread(target=read, kwargs={"batch": batch}) for batch in (False, True)]
        for thread in threads:
            thread.start()
        for _ in range(ROUNDS):
            events = [record("ann", drawn.uniform(1, 9.4)) for _ in range(drawn.randint(1, 20))]
            pushed[0] += len(events)
            ws.ingest("pushed", events, wait_for="visible")
            visible[0] = pushed[0]
            if drawn.random() < 0.6:
                ws.materialize("spend", day(drawn.choice([8, 9])) if drawn.random() < 0.3 else day(9))
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong
        assert reads[0] > 0
        assert client.post(GET, json=params("spend", {"user": "ann"})).json()["result"]["features"][3] == str(pushed[0])
