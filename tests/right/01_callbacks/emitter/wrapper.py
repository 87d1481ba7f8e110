"""A once-handler is a wrapper that equals the function inside it, and remembers that it ran."""

from collections import defaultdict


class Once:
    def __init__(self, emitter, event, handler):
        self.emitter, self.event, self.handler = emitter, event, handler

    def __call__(self, *args):
        self.emitter.forget(self.event, self)
        return self.handler(*args)

    def __eq__(self, other):
        return self.handler == other

    __hash__ = None


class Always(Once):
    def __call__(self, *args):
        return self.handler(*args)


def raiser(error):
    def callback():
        raise error

    return callback


class Emitter:
    def __init__(self, call_soon):
        self.call_soon = call_soon
        self.handlers = defaultdict(list)

    def on(self, event, handler):
        self.handlers[event].append(Always(self, event, handler))

    def once(self, event, handler):
        self.handlers[event].append(Once(self, event, handler))

    def off(self, event, handler):
        if handler in self.handlers[event]:
            self.handlers[event].remove(handler)

    def forget(self, event, wrapper):
        self.handlers[event] = [h for h in self.handlers[event] if h is not wrapper]

    def emit(self, event, *args):
        for handler in self.handlers[event][:]:
            if not any(handler is h for h in self.handlers[event]):
                continue
            try:
                handler(*args)
            except Exception as error:
                self.call_soon(raiser(error))
