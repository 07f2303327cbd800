"""gevent's side of benchmarks/coroutines: with_gevent.py KIND COUNT"""

import sys
import time

import gevent
import gevent.queue
import greenlet


def spawn_join(count):
    for _ in range(count):
        gevent.spawn(int).join()


def cooperate(count):
    def step():
        for _ in range(count // 2):
            gevent.sleep(0)

    other = gevent.spawn(step)
    step()
    other.join()


def channel(count):
    channel = gevent.queue.Channel()

    def send():
        for number in range(count):
            channel.put(number)

    sender = gevent.spawn(send)
    total = sum(channel.get() for _ in range(count))
    sender.join()
    assert total == count * (count - 1) // 2


def switch(count):
    def run(heard):
        while True:
            heard = echo.parent.switch(heard)

    echo = greenlet.greenlet(run)
    for number in range(count):
        assert echo.switch(number) == number


def timer(count):
    for _ in range(count):
        gevent.Timeout.start_new(10).close()


def sleepers(count):
    gevent.joinall([gevent.spawn(gevent.sleep, 0.5) for _ in range(count)])


KINDS = {"spawn_join": spawn_join, "yield": cooperate, "channel": channel, "switch": switch, "timer": timer, "sleepers": sleepers}
work, count = KINDS[sys.argv[1]], int(sys.argv[2])
work(count // 10 + 1)
start = time.process_time_ns()
work(count)
print((time.process_time_ns() - start) / count)
