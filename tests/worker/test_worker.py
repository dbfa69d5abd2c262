"""A worker may die, hang, grow or be asked to do harm: the caller gets one line and goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from diag.errors import DataError, ModelLoadError, UnsupportedModelError
from diag.worker.channel import ChannelError, Message, receive, send
from diag.worker.last_words import LastWords, cause
from diag.worker.process import Call, Worker
from diag.worker.spawned import clean_environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def worker():
    made = Worker("reader", handlers="tests.worker.handlers")
    yield made
    made.close()


def ask(worker, request, body=None, **options):
    return worker.call(request, body, what="x.h5", **{"seconds": 20, "error": ModelLoadError, **options})


def refusal(worker, request, body=None, **options):
    with pytest.raises(ModelLoadError) as caught:
        ask(worker, request, body, **options)
    text = str(caught.value)
    assert text.startswith("x.h5: expected ")
    assert "\n" not in text
    assert ask(worker, "echo", 1).body == 1  # the next one is served
    return text


@pytest.mark.parametrize(
    ("request_name", "words"), [("crash", "abort"), ("segfault", "segmentation fault"), ("leave", "exit status 3")]
)
def test_a_crash_is_one_line_and_the_next_request_is_served(worker, request_name, words):
    text = refusal(worker, request_name)
    assert "reader die" in text
    assert words in text


TERMINATED = "terminate called after throwing an instance of '{0}'\n  what():  {1}\n"


def test_it_is_said_what_the_process_wrote_before_it_died(worker):
    noise = "line of a library\n" * 2_000  # the end counts
    text = refusal(worker, "crash_with", noise + TERMINATED.format("std::system_error", "Resource \x1b[31mgone"))
    assert "die (aborted: Resource [31mgone)" in text
    assert "die (aborted, perhaps for want of memory" in refusal(worker, "crash_with", "nothing that tells\n")
    assert "(aborted: free(): invalid pointer)" in refusal(worker, "crash_with", "free(): invalid pointer\n")


def test_what_a_process_writes_is_bounded_and_its_end_is_kept(tmp_path):
    words = LastWords(tmp_path)
    for written in ("a" * 2**20, "b" * 2**20 + "\nfree(): invalid pointer\n", "c\n"):
        words.file.write(written.encode())
        words.bound()
        assert len(words.text()) <= 2**14
        assert words.text().endswith(written[-(2**13) :])
    assert cause(words.text()) == "free(): invalid pointer"
    assert list(tmp_path.iterdir()) == []
    words.close()
    words.bound()
    assert words.text() == ""


def test_no_memory_left_is_told_from_damage(worker):
    text = refusal(worker, "crash_with", TERMINATED.format("std::bad_alloc", "std::bad_alloc"), memory_bytes=2**28)
    assert "less memory than 0.2 GiB" in text
    assert text.endswith("DIAG_LIMITS=memory_bytes=536870912.")


def test_a_file_is_not_blamed_for_what_an_earlier_one_did_to_the_process(worker):
    before = ask(worker, "harmed").body
    ask(worker, "harm")
    first = Call("push", "prepared", what="x.h5")
    generation = worker.generation
    assert ask(worker, "harmed", first=first).body != before
    assert worker.generation == generation + 1
    assert ask(worker, "pushed", first=first).body == ["prepared"]  # the new process was prepared as well


def test_a_file_that_every_process_dies_of_is_asked_in_one_new_process_at_most(worker):
    ask(worker, "echo")
    generation = worker.generation
    refusal(worker, "crash")
    assert worker.generation == generation + 2  # the one that judged it, and one for the request after
    worker.close()
    generation = worker.generation
    refusal(worker, "crash")  # a new one is believed at once
    assert worker.generation == generation + 2


def test_a_hang_is_stopped(worker):
    assert "timed out after 1 s" in refusal(worker, "hang", seconds=1)


def test_processor_time_is_bounded_and_begins_anew_with_progress(worker):
    text = refusal(worker, "spin", 10**12, seconds=60, cpu_seconds=1)
    assert "timed out after 1 s of processor time" in text
    reports = []
    ask(worker, "count_slowly", 4, seconds=60, cpu_seconds=1, progress=lambda *done: reports.append(done))
    assert len(reports) == 4


def test_memory_is_bounded_at_once_and_over_time(worker):
    before = ask(worker, "environment").body["pid"]
    text = refusal(worker, "grow", 4 * 2**30, memory_bytes=2**28)
    assert "memory" in text
    if sys.platform == "linux":  # the system refuses one large piece before it is touched, and the process lives on
        assert ask(worker, "environment").body["pid"] == before
    text = refusal(worker, "grow_slowly", 2**30, memory_bytes=2**27)
    assert "0.1 GiB" in text
    assert text.endswith("DIAG_LIMITS=memory_bytes=268435456.")
    assert ask(worker, "grow", 2**20, memory_bytes=2**27).body == 1


def test_errors_keep_their_class_and_bugs_their_traceback(worker):
    with pytest.raises(DataError, match="Write numbers"):
        ask(worker, "refuse")
    with pytest.raises(RuntimeError, match=r"(?s)in bug.*ZeroDivisionError: by hand"):
        ask(worker, "bug")
    with pytest.raises(RuntimeError, match="expected numbers or texts"):
        ask(worker, "unsendable")
    assert ask(worker, "echo", "still here").body == "still here"


def test_progress_is_told_and_what_it_raises_ends_the_request(worker):
    seen = []
    assert ask(worker, "count", 5, progress=lambda done, total: seen.append((done, total))).body == "counted"
    assert seen[-1] == (5, 5)
    pid = ask(worker, "environment").body["pid"]

    def stop(done, total):
        raise KeyError("enough")

    with pytest.raises(KeyError):
        ask(worker, "forever", progress=stop)
    assert ask(worker, "environment").body["pid"] == pid  # cancelled, not killed


def test_an_interrupted_caller_leaves_no_process(worker, monkeypatch):
    from diag.worker.spawned import Child

    pid = ask(worker, "environment").body["pid"]

    def interrupted(child):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Child, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(worker, "hang")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert ask(worker, "environment").body["pid"] != pid


def test_threads_take_turns(worker):
    answers = {}

    def go(number):
        answers[number] = ask(worker, "echo", number).body

    threads = [threading.Thread(target=go, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: number for number in range(20)}


def test_another_process_answers_while_the_first_is_busy():
    worker = Worker("reader", handlers="tests.worker.handlers", most=2)
    answers = []

    def meanwhile(done, total):
        other = threading.Thread(target=lambda: answers.append(ask(worker, "echo", "meanwhile").body))
        other.start()
        other.join(60)
        raise StopIteration

    try:
        with pytest.raises(StopIteration):
            ask(worker, "forever", progress=meanwhile)
        assert answers == ["meanwhile"]
        assert worker.generation == 2
    finally:
        worker.close()


def test_a_thread_that_waits_for_itself_is_told(worker):
    with pytest.raises(RuntimeError, match="same thread waits"):
        ask(worker, "forever", progress=lambda done, total: ask(worker, "echo"))


def test_what_a_process_has_to_do_first_is_done_once_in_each(worker):
    first = Call("push", "prepared", what="x.h5")
    for _ in range(2):
        assert ask(worker, "pushed", first=first).body == ["prepared"]
    worker.close()
    assert ask(worker, "pushed", first=first).body == ["prepared"]
    with pytest.raises(DataError):
        ask(worker, "pushed", first=Call("refuse", what="x.h5"))
    assert ask(worker, "pushed").body == ["prepared"]


@pytest.mark.parametrize("request_name", ["start_program", "system", "fork"])
def test_no_program_is_started(worker, tmp_path, request_name):
    marker = tmp_path / "marker"
    with pytest.raises(RuntimeError, match="may not do this"):
        ask(worker, request_name, str(marker))
    assert not marker.exists()


def test_no_connection_is_opened(worker):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        with pytest.raises(RuntimeError, match="may not do this"):
            ask(worker, "connect", server.getsockname()[1])
        with pytest.raises(BlockingIOError):
            server.accept()


def test_only_granted_files_are_read_and_only_own_ones_written(worker, tmp_path):
    secret, link = tmp_path / "secret" / "a.txt", tmp_path / "open" / "link"
    for folder in (secret.parent, link.parent):
        folder.mkdir()
    secret.write_text("secret")
    link.symlink_to(secret)
    for path in (secret, link, link.parent / ".." / "secret" / "a.txt"):
        with pytest.raises(RuntimeError, match="only read what it was asked"):
            ask(worker, "read", str(path), granted=[link.parent])
    for path in (f"/proc/{os.getpid()}/environ", "/etc/passwd", str(ROOT / "pyproject.toml")):
        with pytest.raises(RuntimeError, match="only read what it was asked"):
            ask(worker, "read", path)
    assert ask(worker, "read", str(secret), granted=[secret.parent]).body == "secret"
    with pytest.raises(RuntimeError, match="may not write"):
        ask(worker, "write", str(secret.parent / "new"), granted=[secret.parent])
    assert not (secret.parent / "new").exists()
    with pytest.raises(RuntimeError, match=r"may not do this: os\.remove"):
        ask(worker, "remove_from", str(secret), granted=[secret.parent])
    assert secret.exists()
    assert ask(worker, "write_own").body == ["own", False]
    with pytest.raises(RuntimeError, match="relative path that goes up"):
        ask(worker, "read_from", "../" * 20 + str(secret).lstrip("/"))
    with pytest.raises(RuntimeError, match=r"may not do this: os\.symlink"):
        ask(worker, "link_own", str(secret))


def test_limits_hold_that_were_set_after_it_started(worker, monkeypatch):
    ask(worker, "echo")
    monkeypatch.setenv("DIAG_LIMITS", "layers=7")
    assert ask(worker, "environment").body["environment"]["DIAG_LIMITS"] == "layers=7"
    monkeypatch.delenv("DIAG_LIMITS")
    assert ask(worker, "environment").body["environment"]["DIAG_LIMITS"] == ""


def test_it_starts_clean(worker, monkeypatch, tmp_path):
    monkeypatch.setenv("HDF5_PLUGIN_PATH", str(tmp_path))
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path))
    monkeypatch.setenv("SECRET_TOKEN", "1")
    monkeypatch.chdir(tmp_path)
    worker.close()
    found = ask(worker, "environment").body
    assert found["isolated"] == 1
    assert not {"HDF5_PLUGIN_PATH", "PYTHONSTARTUP", "SECRET_TOKEN", "LD_PRELOAD"} & set(found["environment"])
    assert found["environment"]["HDF5_PLUGIN_PRELOAD"] == "::"
    assert str(tmp_path) not in found["path"]
    assert "" not in found["path"]


def test_it_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker = Worker("reader", handlers="tests.worker.handlers")
    ask(worker, "write_own")
    assert any(tmp_path.iterdir())
    worker.close()
    assert not any(tmp_path.iterdir())


def test_one_that_died_between_two_requests_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker = Worker("reader", handlers="tests.worker.handlers")
    try:
        for _ in range(3):
            pid = ask(worker, "environment").body["pid"]
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            assert not worker.alive()
        ask(worker, "echo")
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        worker.close()


def test_what_keeps_it_from_starting_is_said_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="Write numbers"):
        ask(Worker("reader", "tests.worker.handlers:cannot_start", "tests.worker.handlers"), "echo")
    with pytest.raises(UnsupportedModelError, match=r"ended while it started\. Set DIAG_DEBUG=1"):
        ask(Worker("reader", "tests.worker.handlers:leave_at_once", "tests.worker.handlers"), "echo")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    with pytest.raises(UnsupportedModelError, match=r"cannot be started: .*DIAG_ISOLATION=off"):
        ask(Worker("reader", handlers="tests.worker.handlers"), "echo")


def test_an_interrupted_start_leaves_nothing(tmp_path, monkeypatch):
    import diag.worker.spawned as spawned

    def interrupted(sock):
        raise KeyboardInterrupt

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    worker = Worker("reader", handlers="tests.worker.handlers")
    with monkeypatch.context() as patch:
        patch.setattr(spawned, "receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(worker, "echo")
    assert not any(tmp_path.iterdir())
    assert ask(worker, "echo", 1).body == 1
    worker.close()


def test_a_start_keeps_nobody_waiting(monkeypatch):
    import diag.worker.process as process

    worker = Worker("reader", handlers="tests.worker.handlers", most=2)
    ask(worker, "echo")
    begun, go_on = threading.Event(), threading.Event()
    make = process.Child

    def slow(*arguments):
        begun.set()
        assert go_on.wait(60)
        return make(*arguments)

    monkeypatch.setattr(process, "Child", slow)
    second = threading.Thread(target=lambda: ask(worker, "echo"))

    def meanwhile(done, total):
        second.start()
        assert begun.wait(60)
        raise StopIteration

    try:
        with pytest.raises(StopIteration):
            ask(worker, "forever", progress=meanwhile)
        assert ask(worker, "echo", "served").body == "served"  # by the first, while the second still starts
    finally:
        go_on.set()
        second.join()
        worker.close()


def test_it_ends_with_a_caller_that_is_killed():
    code = (
        "from diag.worker.process import Worker\n"
        "w = Worker('reader', handlers='tests.worker.handlers')\n"
        "print(w.call('environment', what='x').body['pid'], flush=True)\n"
        "w.call('hang', what='x')"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as caller:
        pid = int(caller.stdout.readline())
        descriptor = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        caller.send_signal(signal.SIGKILL)
        caller.wait()
    if descriptor is None:
        pytest.skip("this system has no way to wait for another's child")
    import select

    try:
        assert select.select([descriptor], [], [], 30)[0], "the worker outlived its caller"
    finally:
        os.close(descriptor)


@given(
    array=hnp.arrays(
        st.sampled_from([np.uint8, np.int64, np.float32, np.bool_, "U3", "S4"]),
        hnp.array_shapes(min_dims=0, min_side=0),
    ),
    body=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3)),
)
def test_messages_come_as_they_went(array, body):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, Message("kind", body, {"array": array}))
        message = receive(theirs)
    assert (message.kind, message.body) == ("kind", body)
    found = message.arrays["array"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


@given(st.binary(max_size=200))
def test_what_is_no_message_is_refused(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(ChannelError):
            receive(theirs)


def test_arrays_of_objects_and_too_large_ones_are_refused():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(TypeError):
            send(ours, Message("kind", None, {"a": np.array([None])}))
        send(ours, Message("kind", None, {"a": np.zeros(1000)}))
        with pytest.raises(ChannelError, match="more than 100"):
            receive(theirs, most_bytes=100)


def test_variables_that_load_other_code_are_left_out(monkeypatch, tmp_path):
    for name in ("LD_PRELOAD", "PYTHONPATH", "HDF5_PLUGIN_PATH", "DYLD_INSERT_LIBRARIES", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "x")
    kept = clean_environment(tmp_path)
    assert not {"LD_PRELOAD", "PYTHONPATH", "HDF5_PLUGIN_PATH", "DYLD_INSERT_LIBRARIES"} & set(kept)


def test_time_in_line_for_a_processor_is_no_silence(monkeypatch):
    """A busy machine refuses nothing that a quiet one takes: 30 s for a model are its own seconds."""
    from diag.worker.spawned import Child

    child = object.__new__(Child)
    child.socket, far = socket.socketpair()
    child.socket.settimeout(0.01)
    stood = iter((0.0, 1.0, 2.0))

    def in_line(_):
        found = next(stood)
        if found == 2.0:
            far.sendall(b"x")
        return found

    monkeypatch.setattr(Child, "_stood", in_line)
    child.wait()
    child.socket.recv(1)
    monkeypatch.setattr(Child, "_stood", lambda _: 0.0)
    with pytest.raises(TimeoutError):
        child.wait()
    child.socket.close()
    far.close()


def test_the_system_counts_time_in_line():
    from diag.worker.spawned import Child

    child = object.__new__(Child)
    child._child = types.SimpleNamespace(pid=os.getpid())
    assert child._stood() >= 0.0
    child._child = None
    assert child._stood() == 0.0
