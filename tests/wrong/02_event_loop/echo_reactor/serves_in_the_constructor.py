"""Runs a loop of its own, in the constructor, which never returns.

One loop for everything in the thread, or none of the others ever gets a turn.

mistake: blocking-call
fails: test_what_a_client_sends_comes_back, test_each_client_gets_its_own,
    test_what_send_did_not_take_is_sent_later, test_a_megabyte_comes_back,
    test_who_does_not_read_is_not_read_from, test_one_who_does_not_read_stops_nobody,
    test_an_idle_server_lets_select_wait, test_who_has_finished_sending_still_gets_the_rest,
    test_a_connection_that_is_over_is_closed, test_a_client_breaks_off,
    test_a_client_breaks_off_in_mid_write, test_a_call_fails, test_readiness_is_a_rumour,
    test_nobody_at_the_door, test_close_closes_everything, test_a_late_call_does_nothing,
    test_two_hundred_clients_at_once, test_a_call_fails_for_a_client_that_is_owed_data,
    test_a_small_limit_is_a_limit_too
"""

import selectors


class Client:
    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.pending = b""
        self.finished = False
        self.open = True
        sock.setblocking(False)
        server.clients.append(self)
        server.selector.register(sock, selectors.EVENT_READ, self.on_event)

    def on_event(self, events):
        if not self.open:
            return
        try:
            if events & selectors.EVENT_READ:
                self.on_readable()
            if events & selectors.EVENT_WRITE:
                self.on_writable()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
        if self.open:
            self.update()

    def on_readable(self):
        data = self.sock.recv(self.server.limit - len(self.pending))
        if data:
            self.pending += data
        else:
            self.finished = True

    def on_writable(self):
        sent = self.sock.send(self.pending)
        self.pending = self.pending[sent:]

    def update(self):
        events = 0
        if len(self.pending) < self.server.limit and not self.finished:
            events |= selectors.EVENT_READ
        if self.pending:
            events |= selectors.EVENT_WRITE
        if events:
            self.server.selector.modify(self.sock, events, self.on_event)
        else:
            self.close()

    def close(self):
        self.open = False
        self.server.clients.remove(self)
        self.server.selector.unregister(self.sock)
        self.sock.close()


class EchoServer:
    def __init__(self, selector, listener, limit=65_536):
        self.selector = selector
        self.listener = listener
        self.limit = limit
        self.clients = []
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self.on_connect)
        while True:
            for key, events in selector.select():
                key.data(events)

    def on_connect(self, events):
        if self.listener is None:
            return
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        Client(self, sock)

    def close(self):
        if self.listener is None:
            return
        self.selector.unregister(self.listener)
        self.listener.close()
        for client in list(self.clients):
            client.close()
        self.listener = None
