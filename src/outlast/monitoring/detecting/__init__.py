"""Evidence carried from check to check: what has moved or been lost, with a stated budget of false alarms.

It knows counts only: no ledger, no journal, no contract. One round of it:

    tables = {"features": Table(names, counts, past, starts, kinds), "loss": Table(("loss",), ...), ...}
    plan = planned(tables, Budget(pages=0.05, tickets=1.0, cadence=3600))
    plan = rehearsed(plan, tables, seed=7).plan             # 200 histories out of the model's own past
    state = plan.pages.begin()                              # and so for plan.tickets
    state, alarms = plan.pages.step(state, {"features": K, "loss": L}, at)  # each check, which began `at`
    kept = to_bytes(state)
    state = plan.pages.resume(from_bytes(kept))             # matched by stream: a new plan may come in between

`streams.FORMS` lists the tables that are watched, the shape of their counts, and what is bet on each. In a table of
the reference counts are [stream, ...] and its past [block, stream, ...]; at a check they are [stream, ...].
"""
