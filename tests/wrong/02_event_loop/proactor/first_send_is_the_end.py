"""Takes the first piece that the kernel accepts for the whole.

mistake: assumes-full-write
fails: test_write_ends_when_all_has_been_taken, test_every_write_ends,
    test_reads_and_writes_do_not_wait_for_each_other, test_a_cancelled_write_sends_no_more,
    test_close_ends_everything_on_the_socket, test_cancelling_one_leaves_the_others_alone,
    test_an_error_ends_its_operation, test_the_end_of_reading_is_not_the_end_of_writing,
    test_a_write_that_fails_half_way_leaves_the_next_whole
"""

import selectors


class OperationAborted(OSError):
    pass


class Completion:
    def __init__(self, call_soon, state, size=0, data=b""):
        self.call_soon = call_soon
        self.state = state
        self.size = size
        self.data = data
        self.callbacks = []
        self.ended = False

    def done(self):
        return self.ended

    def result(self):
        if not self.ended:
            raise RuntimeError("not yet")
        if self.error:
            raise self.error
        return self.value

    def add_done_callback(self, callback):
        if self.ended:
            self.call_soon(callback, self)
        else:
            self.callbacks.append(callback)

    def finish(self, value=None, error=None):
        self.ended = True
        self.value = value
        self.error = error
        for callback in self.callbacks:
            self.call_soon(callback, self)

    def cancel(self):
        if not self.ended:
            self.state.reads = [e for e in self.state.reads if e is not self]
            self.state.writes = [e for e in self.state.writes if e is not self]
            self.state.update()
            self.finish(error=OperationAborted("cancelled"))


class State:
    def __init__(self, selector, sock):
        self.selector = selector
        self.sock = sock
        self.reads = []
        self.writes = []
        self.events = 0

    def update(self):
        events = 0
        if self.reads:
            events |= selectors.EVENT_READ
        if self.writes:
            events |= selectors.EVENT_WRITE
        if events and not self.events:
            self.selector.register(self.sock, events, self.on_ready)
        elif events != self.events and events:
            self.selector.modify(self.sock, events, self.on_ready)
        elif self.events and not events:
            self.selector.unregister(self.sock)
        self.events = events

    def on_ready(self, events):
        if events & selectors.EVENT_READ and self.reads:
            self.on_readable(self)
        if events & selectors.EVENT_WRITE and self.writes:
            self.on_writable(self)
        self.update()

    @staticmethod
    def on_readable(state):
        entry = state.reads[0]
        try:
            data = state.sock.recv(entry.size)
        except BlockingIOError:
            return
        except OSError as error:
            state.reads.pop(0)
            entry.finish(error=error)
        else:
            entry.finish(value=data)
            state.reads.pop(0)

    @staticmethod
    def on_writable(state):
        entry = state.writes[0]
        try:
            sent = state.sock.send(entry.data)
        except BlockingIOError:
            return
        except OSError as error:
            state.writes.pop(0)
            entry.finish(error=error)
        else:
            entry.data = entry.data[sent:]
            state.writes.pop(0)
            entry.finish(value=entry.size)


class Proactor:
    def __init__(self, selector, call_soon):
        self.selector = selector
        self.call_soon = call_soon
        self.states = {}

    def state(self, sock):
        return self.states.setdefault(sock, State(self.selector, sock))

    def read(self, sock, n):
        state = self.state(sock)
        entry = Completion(self.call_soon, state, n)
        return self.start(state, state.reads, entry)

    def write(self, sock, data):
        state = self.state(sock)
        entry = Completion(self.call_soon, state, len(data), data)
        return self.start(state, state.writes, entry)

    def start(self, state, queue, entry):
        if state.sock.fileno() < 0:
            entry.finish(error=OperationAborted("closed"))
        else:
            queue.append(entry)
            state.update()
        return entry

    def close(self, sock):
        state = self.states.pop(sock, None)
        if state:
            for entry in [*state.reads, *state.writes]:
                entry.finish(error=OperationAborted("closed"))
            state.reads, state.writes = [], []
            state.update()
        sock.close()
