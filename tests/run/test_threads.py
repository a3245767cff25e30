"""Threads of the kernels: the same numbers in threads, in children that fork, and in each other."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import dmft
from dmft import threads

# Each line printed is a set of the last mu of runs: {the same as in the first run}.
PROGRAM = """
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import dmft

THREADS = int(sys.argv[1])


def last(threads):
    model = dmft.SpikedMixture({2: 0.7, 3: 1.0})
    run = dmft.solve(model, 5.0, m0=0.1, preset="loose", progress=False, threads=threads)
    return float(run.mu[-1]).hex()


if __name__ == "__main__":
    first = last(THREADS)
    fork = multiprocessing.get_context("fork")
    with fork.Pool(2) as pool:
        print("Pool", set(pool.map(last, [THREADS] * 3)) == {first})
    with ProcessPoolExecutor(2, fork) as pool:
        print("ProcessPoolExecutor", set(pool.map(last, [THREADS] * 3)) == {first})
    with ThreadPoolExecutor(2) as pool:
        print("ThreadPoolExecutor", set(pool.map(last, [THREADS] * 4)) == {first})
    with fork.Pool(2) as pool:
        print("Pool after threads", set(pool.map(last, [THREADS] * 3)) == {first})
    print("one thread", last(1) == first)
"""


@pytest.mark.parametrize("number", [1, 2])
def test_runs_after_a_fork_and_at_once(tmp_path, number):
    """Children of a pool that forks died after any run of the parent, or hung."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    here = {"PYTHONPATH": str(Path(dmft.__file__).parents[1]), "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, program, str(number)], capture_output=True, text=True, check=True,
        timeout=300, env={**os.environ, **here},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all(line.endswith("True") for line in lines), done.stdout
    assert done.stderr == ""


# Bars of tqdm share a lock among a process and its forked children.
SHARED = """
import multiprocessing
import os
import signal
import threading
import time

import tqdm

import dmft


def solve(name):
    model = dmft.SpikedMixture({3: 1.0})
    dmft.solve(model, 1.0, m0=0.1, method="gradient_descent", step=0.5)
    print(name, flush=True)


def die():
    tqdm.tqdm.get_lock().acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def hold(seconds):
    with tqdm.tqdm.get_lock():
        held.set()
        time.sleep(seconds)


fork, held = multiprocessing.get_context("fork"), threading.Event()
solve("before")
threading.Thread(target=hold, args=(0.5,)).start()
held.wait()
child = fork.Process(target=solve, args=("while another thread shows a bar",))
child.start()
child.join()
child = fork.Process(target=die)
child.start()
child.join()
solve("after a child was killed")
child = fork.Process(target=solve, args=("its sibling",))
child.start()
child.join()
"""


def test_bars_do_not_lock_what_forks():
    """A child that was killed while it showed a bar hung its parent; so did a bar at a fork."""
    done = subprocess.run(
        [sys.executable, "-c", SHARED], capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(dmft.__file__).parents[1])},
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "before", "while another thread shows a bar", "after a child was killed", "its sibling",
    ]  # fmt: skip


@pytest.fixture
def four(monkeypatch):
    """Four threads, whatever the machine has."""
    monkeypatch.setattr(threads, "available", lambda: 4)


def test_every_part_is_done_once(four):
    done = np.zeros(4, int)

    def kernel(part, parts, add):
        assert parts == 4
        done[part] += add

    threads.share(kernel, 3)
    np.testing.assert_array_equal(done, 3)
    with threads.using(9) as number:
        assert number == 4
    seen = []
    with threads.using(1) as number:
        assert number == threads.current() == 1
        threads.share(lambda *arguments: seen.append(arguments), "x")
    assert seen == [(0, 1, "x")]
    assert threads.current() == 4


def test_an_error_waits_for_the_other_parts(four):
    """Nobody writes to the arrays of a kernel after it has ended, in whatever way."""
    ended = []

    def kernel(part, parts):
        if part == 0:
            raise KeyboardInterrupt
        time.sleep(0.1)
        ended.append(part)

    with pytest.raises(KeyboardInterrupt):
        threads.share(kernel)
    before = list(ended)
    time.sleep(0.3)
    assert ended == before

    def broken(part, parts):
        if part == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.share(broken)


def test_busy_threads_are_not_waited_for(four):
    """Parts that wait behind another run's are done by the run itself."""
    release, began = threading.Event(), threading.Semaphore(0)

    def slow(part, parts):
        began.release()
        assert release.wait(60)

    other = threading.Thread(target=threads.share, args=(slow,))
    other.start()
    for _ in range(4):
        began.acquire()
    here = []
    threads.share(lambda part, parts: here.append((part, threading.current_thread())))
    assert {part for part, _ in here} == {0, 1, 2, 3}
    release.set()
    other.join()


def test_number_of_threads_belongs_to_one_thread(four):
    seen = []
    with threads.using(1):
        other = threading.Thread(target=lambda: seen.append(threads.current()))
        other.start()
        other.join()
        assert threads.current() == 1
    assert seen == [4]


def test_linear_algebra_is_limited_until_the_last_run_ends():
    """The limit is one of the process: a run that ends must not lift it for another one."""

    def number():
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    before = number()
    first, second = threads.one_for_blas(), threads.one_for_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert number() == {1}
    second.__exit__(None, None, None)
    assert number() == before
