"""Has a try, and has it around the loop instead of inside.

The error is reported as it should be. The handlers behind the one that raised are not called.

mistake: one-handler-stops-all
fails: test_a_handler_that_raises_stops_nobody, test_an_error_goes_to_the_loop
"""


class Emitter:
    def __init__(self, call_soon):
        self.call_soon = call_soon
        self.table = {}

    def on(self, event, handler):
        self.table[event] = [*self.table.get(event, []), [handler, False]]

    def once(self, event, handler):
        self.table[event] = [*self.table.get(event, []), [handler, True]]

    def off(self, event, handler):
        for entry in self.table.get(event, []):
            if entry[0] == handler:
                self.drop(event, entry)
                return

    def drop(self, event, entry):
        self.table[event] = [e for e in self.table[event] if e is not entry]

    def emit(self, event, *args):
        try:
            for entry in self.table.get(event, []):
                if not any(entry is e for e in self.table[event]):
                    continue
                if entry[1]:
                    self.drop(event, entry)
                entry[0](*args)
        except Exception as error:

            def report(error=error):
                raise error

            self.call_soon(report)
