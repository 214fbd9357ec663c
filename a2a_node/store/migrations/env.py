"""Runs the migrations on the connection that whoever asks for them has put into the configuration."""

from alembic import context

from a2a_node.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
