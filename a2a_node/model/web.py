"""What is asked of a node over HTTP alone, in the words of its layers."""

from __future__ import annotations

STATUS = "/a2amesh.Web/GetStatus"  # the method of `/api/agent`
DASHBOARD = "/a2amesh.Web/GetDashboard"  # of `/api/v1/dashboard`
ASKED_OF_WEB = (STATUS, DASHBOARD)
OPENING = "/a2amesh.Web/CheckSocket"  # who opens a WebSocket for an RPC whose client streams; that is a call by itself
LIVE = "/a2amesh.Web/WatchLive"  # of the WebSocket of live events; each stream in it is a call of its own besides
