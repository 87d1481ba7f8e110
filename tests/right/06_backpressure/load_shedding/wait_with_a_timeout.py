"""`asyncio.wait` with a timeout on a future that says yes or no; who waits is in a dict."""

import asyncio


class Overloaded(Exception):
    pass


class Shedder:
    """asyncio.wait with a timeout on a future."""

    def __init__(self, handler, *, workers, capacity, deadline):
        self.h, self.n, self.c, self.d = handler, workers, capacity, deadline
        self.w = {}
        self.k = 0

    async def submit(self, request):
        if self.n > 0:
            self.n -= 1
        else:
            f = asyncio.get_running_loop().create_future()
            self.k += 1
            key = self.k
            for k in [k for k, v in self.w.items() if v.done()]:
                del self.w[k]
            self.w[key] = f
            while len(self.w) > self.c:
                k = min(self.w)
                self.w.pop(k).set_result("no")
            try:
                await asyncio.wait([f], timeout=self.d)
            except asyncio.CancelledError:
                self.w.pop(key, None)
                if f.done() and f.result() == "yes":
                    self.back()
                else:
                    f.cancel()
                raise
            self.w.pop(key, None)
            if not f.done() or f.result() == "no":
                f.cancel()
                raise Overloaded(request)
        try:
            r = await self.h(request)
        except BaseException:
            self.back()
            raise
        self.back()
        return r

    def back(self):
        while self.w:
            _, f = self.w.popitem()
            if not f.done():
                f.set_result("yes")
                return
        self.n += 1
