"""The application: its settings and its two tasks. ../README.md says why it is set so."""

import os

from celery import Celery

SETTINGS = {
    "task_protocol": 1,
    "task_acks_late": True,
    "worker_disable_rate_limits": True,
    "result_backend_transport_options": {"result_chord_ordered": False},
}

app = Celery("items", broker=os.environ["AMQP_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(SETTINGS)


# The chord counts and collects it all the same.
@app.task(ignore_result=True)
def noop(item):
    pass


@app.task
def complete(results):
    return len(results)
