"""The queue in front of the model: batches of what waits, limits, one bad row fails one request."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tilth.serve.arms import Arm
from tilth.serve.batching import Batcher, Busy, Job, Queue
from tilth.serve.metrics import Metrics

sys.path.insert(0, str(Path(__file__).parents[2] / "loop"))
from serve_kit import FakeRelease, fake_bundle


def make(tmp_path, name="x", **more):
    release = FakeRelease(Path(fake_bundle(tmp_path, name, **more)))
    return Arm("a", release, name, 1.0, False), release


def run(work, queue=None):
    """Run `work(batcher, put)`; put(arm, rows) gives a future of answers."""

    async def inside():
        loop = asyncio.get_running_loop()
        batcher = Batcher(loop, queue or Queue(), Metrics())

        def put(arm, rows, sets=None, shadow=False):
            future = loop.create_future()
            job = Job(arm, rows, sets, lambda found: future.done() or future.set_result(found), shadow=shadow)
            if shadow:
                future.accepted = batcher.put_shadow(job)
            else:
                batcher.put(job)
            return future

        try:
            return await work(batcher, put)
        finally:
            batcher.close()

    return asyncio.run(inside())


def test_what_is_quick_is_measured(tmp_path):
    quick, slow = make(tmp_path)[0], make(tmp_path, "y", slow=0.03)[0]

    async def work(batcher, _):
        batcher.learn(quick)
        batcher.learn(slow)
        assert batcher._slow == {"id-x": False, "id-y": True}

    run(work)


@pytest.mark.parametrize("slow", [False, True])
def test_what_waits_is_one_batch(tmp_path, slow):
    arm, release = make(tmp_path)

    async def work(batcher, put):
        batcher._slow["id-x"] = slow
        found = await asyncio.gather(*(put(arm, [f"{i}"]) for i in range(200)))
        assert all(len(a) == 1 for a in found)
        assert batcher.rows == batcher.characters == 0

    run(work)
    assert release.largest == 64
    assert release.calls <= 6


def test_a_long_request_lets_short_ones_pass(tmp_path):
    arm, _ = make(tmp_path)

    async def work(batcher, put):
        batcher._slow["id-x"] = False
        order = []
        long = put(arm, ["a"] * 1000)
        short = put(arm, ["b"])
        long.add_done_callback(lambda _: order.append("long"))
        short.add_done_callback(lambda _: order.append("short"))
        found, _ = await asyncio.gather(long, short)
        await asyncio.sleep(0)
        assert order == ["short", "long"]
        assert len(found) == 1000

    run(work)


def test_long_texts_make_small_batches(tmp_path):
    arm, release = make(tmp_path)

    async def work(batcher, put):
        batcher._slow["id-x"] = False
        await put(arm, ["a" * 1000] * 20)

    run(work, Queue(characters=3000))
    assert release.largest == 3


def test_too_much_is_turned_away_and_an_idle_server_takes_any_request(tmp_path):
    arm, _ = make(tmp_path)

    async def work(batcher, put):
        batcher._slow["id-x"] = False
        waiting = [put(arm, ["a"] * 50)]  # more rows than may wait, but nothing else does
        with pytest.raises(Busy):
            put(arm, ["a"])
        await waiting[0]
        waiting = [put(arm, ["a"]) for _ in range(5)]
        with pytest.raises(Busy) as busy:
            put(arm, ["a"])
        assert busy.value.after >= 1
        await asyncio.gather(*waiting)

    run(work, Queue(requests=5, rows=40))


def test_characters_that_wait_are_bounded(tmp_path):
    arm, _ = make(tmp_path)

    async def work(batcher, put):
        batcher._slow["id-x"] = False
        first = put(arm, ["a" * 60])
        with pytest.raises(Busy):
            put(arm, ["a" * 41])
        await asyncio.gather(first, put(arm, ["a" * 40]))

    run(work, Queue(text=100))


def test_a_slow_model_has_a_short_queue(tmp_path):
    arm, _ = make(tmp_path)

    async def work(batcher, put):
        batcher._slow["id-x"] = False
        batcher.cost = 0.5
        put(arm, ["a"] * 3)
        with pytest.raises(Busy) as busy:
            put(arm, ["a"] * 2)  # 2.5 seconds of work
        assert busy.value.after == 2

    run(work, Queue(wait=2.0))


def test_a_row_that_breaks_the_model_fails_its_own_request(tmp_path):
    arm, _ = make(tmp_path)

    async def work(batcher, put):
        batcher._slow["id-x"] = False
        bad, good = put(arm, ["a", "break", *["b"] * 100]), put(arm, ["c"])
        assert len(await good) == 1
        assert isinstance(await bad, ValueError)
        assert batcher.rows == batcher.characters == 0
        assert len(await put(arm, ["d"])) == 1

    run(work)


def test_a_request_is_given_up_also_while_the_model_hangs(tmp_path):
    arm, _ = make(tmp_path, slow=0.4)

    async def work(batcher, put):
        first, second = put(arm, ["a"] * 2), put(arm, ["b"], sets=0.1)
        await asyncio.sleep(0.1)
        batcher.expire(float("inf"))
        assert isinstance(await first, TimeoutError)
        assert isinstance(await second, TimeoutError)
        assert batcher.stuck
        await asyncio.sleep(0.5)
        assert not batcher.stuck
        assert batcher.rows == batcher.characters == 0
        assert len(await put(arm, ["c"])) == 1

    run(work)


def test_shadows_come_last_and_not_without_end(tmp_path):
    arm, _ = make(tmp_path)
    other, _ = make(tmp_path, "y")

    async def work(batcher, put):
        batcher._slow |= {"id-x": False, "id-y": False}
        order = []
        shadow, full = put(other, ["a"] * 30, shadow=True), put(other, ["a"] * 30, shadow=True)
        assert (shadow.accepted, full.accepted) == (True, False)
        answer = put(arm, ["b"] * 30)
        shadow.add_done_callback(lambda _: order.append("shadow"))
        answer.add_done_callback(lambda _: order.append("answer"))
        await asyncio.gather(shadow, answer)
        await asyncio.sleep(0)
        assert order == ["answer", "shadow"]
        assert batcher.shadow_rows == batcher.characters == 0

    run(work, Queue(rows=40))
