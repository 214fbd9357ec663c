"""What stands around everything that is served over HTTP, and keeps clients in bounds.

habits.py      what clients may do: sizes, spans, how many at a time; and what is counted of those who do more
connections.py connections that have to get on: slow clients are sent away, and so are too many
sockets.py     the same for WebSockets, imported with the first of them
server.py      the port itself
layers.py      the order of what a request passes, with the reason beside each line
failures.py    every failure in the one shape of `web/errors.py`
headers.py     security headers
bodies.py      bodies within their limit, and framed in one way only
origins.py     whose pages may ask, for doors that browsers could be made to knock at
inspection.py  rules of size, rate, path and pattern; rules.py reads them, rates.py counts
"""
