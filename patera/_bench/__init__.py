"""What `patera bench` does: select routes, write their plain Starlette twin, let both take turns, report."""
