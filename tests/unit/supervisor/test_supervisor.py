from __future__ import annotations

from fastconnect.states import State


def test_a_task_is_started_and_drained_on_sigterm(worker) -> None:
    import signal
    task = worker.start()
    worker.running(task)
    worker.signal(signal.SIGTERM)
    outcome = worker.outcome()
    print(worker.text())
    assert outcome.exit_code == 0
    assert outcome.drained
    assert outcome.tasks[0].counters["records_flushed"] == 7
    assert outcome.tasks[0].status.state == State.STOPPED
