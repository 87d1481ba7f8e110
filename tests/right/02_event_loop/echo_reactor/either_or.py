"""Reads only when there is nothing to send, and closures instead of objects."""

import selectors


class EchoServer:
    def __init__(self, selector, listener, limit=65_536):
        listener.setblocking(False)
        closers = {}

        def accept(events):
            if listener.fileno() < 0:
                return
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            serve(sock)

        def serve(sock):
            data = memoryview(b"")
            over = False

            def close():
                if closers.pop(sock, None):
                    selector.unregister(sock)
                    sock.close()

            def ready(events):
                nonlocal data, over
                if sock not in closers:
                    return
                try:
                    if not data:
                        data = memoryview(sock.recv(limit))
                        over = not data
                    data = data[sock.send(data) :]
                except BlockingIOError:
                    pass
                except OSError:
                    close()
                    return
                if over and not data:
                    close()
                    return
                wanted = selectors.EVENT_WRITE if data else selectors.EVENT_READ
                selector.modify(sock, wanted, ready)

            closers[sock] = close
            selector.register(sock, selectors.EVENT_READ, ready)

        def close_all():
            if listener.fileno() >= 0:
                selector.unregister(listener)
                listener.close()
            for close in list(closers.values()):
                close()

        self.close = close_all
        selector.register(listener, selectors.EVENT_READ, accept)
