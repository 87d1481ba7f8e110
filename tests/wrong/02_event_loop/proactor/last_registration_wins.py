"""Registers each operation by itself, and a later one replaces the registration of the first.

A write that starts while a read is waiting has the selector forget the read.

mistake: lost-completion
fails: test_reads_and_writes_do_not_wait_for_each_other, test_close_ends_everything_on_the_socket,
    test_every_read_gets_its_own_bytes, test_every_write_ends,
    test_a_cancelled_read_leaves_the_bytes_to_the_next, test_a_cancelled_write_sends_no_more,
    test_an_error_ends_its_operation, test_a_completion_calls_back_once, test_readiness_is_a_rumour,
    test_cancelling_one_leaves_the_others_alone, test_a_new_socket_is_not_the_old_one,
    test_the_end_of_reading_is_not_the_end_of_writing,
    test_a_write_that_fails_half_way_leaves_the_next_whole, test_read_gives_nothing_at_the_end
"""

import selectors


class OperationAborted(OSError):
    pass


class Completion:
    def __init__(self, proactor, sock):
        self.proactor = proactor
        self.sock = sock
        self.finished = False
        self.value = None
        self.error = None
        self.callbacks = []

    def done(self):
        return self.finished

    def result(self):
        if not self.finished:
            raise RuntimeError("pending")
        if self.error is not None:
            raise self.error
        return self.value

    def add_done_callback(self, callback):
        if self.finished:
            self.proactor.call_soon(callback, self)
        else:
            self.callbacks.append(callback)

    def cancel(self):
        if not self.finished:
            self.proactor.forget(self.sock)
            self.finish(None, OperationAborted("cancelled"))

    def finish(self, value, error=None):
        if not self.finished:
            self.finished, self.value, self.error = True, value, error
            for callback in self.callbacks:
                self.proactor.call_soon(callback, self)


class Proactor:
    def __init__(self, selector, call_soon):
        self.selector = selector
        self.call_soon = call_soon
        self.outstanding = {}

    def forget(self, sock):
        if sock in self.selector.get_map():
            self.selector.unregister(sock)

    def start(self, sock, events, attempt):
        completion = Completion(self, sock)
        if sock.fileno() < 0:
            completion.finish(None, OperationAborted("closed"))
            return completion
        self.outstanding.setdefault(sock, []).append(completion)

        def ready(events):
            if completion.finished:
                return
            try:
                value = attempt()
            except BlockingIOError:
                return
            except OSError as error:
                self.forget(sock)
                completion.finish(None, error)
                return
            if value is not None:
                self.forget(sock)
                completion.finish(value)

        self.forget(sock)
        self.selector.register(sock, events, ready)
        return completion

    def read(self, sock, n):
        return self.start(sock, selectors.EVENT_READ, lambda: sock.recv(n))

    def write(self, sock, data):
        left = [data]

        def attempt():
            left[0] = left[0][sock.send(left[0]) :]
            return None if left[0] else len(data)

        return self.start(sock, selectors.EVENT_WRITE, attempt)

    def close(self, sock):
        self.forget(sock)
        for completion in self.outstanding.pop(sock, []):
            completion.finish(None, OperationAborted("closed"))
        sock.close()
