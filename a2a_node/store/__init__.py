"""Postgres and Redis behind the ports of the model: the truth, and the speed."""
