"""What every store of fresh values must do, wherever it keeps them.

Each check takes `make`, a function that opens the store under test; called again within one check it opens the same
store once more, as another process would. Every check needs an empty store.
"""

import random
import threading
from collections.abc import Callable, Sequence

from outlast.errors import OutlastError
from outlast.storage.fresh import Fact, Found, FreshStore, Grown, Latest, Request, Since, Version

Make = Callable[[], FreshStore]
EVER = -(2**63)


class Remembered:
    """The same answers from a dict, by trying every fact: slow, and plainly right."""

    def __init__(self) -> None:
        self.facts: dict[str, dict[tuple[str, int], tuple[str, bytes]]] = {}

    def ingest(self, digest: str, facts: Sequence[Fact]) -> int:
        kept = self.facts.setdefault(digest, {})
        before = len(kept)
        kept.update({(fact.key, fact.known): (fact.entity, fact.values) for fact in facts})
        return len(kept) - before

    def window(self, digest: str, entity: str, since: int, before: int) -> list[Found]:
        kept = self.facts.get(digest, {})

        def replaced(key: str, known: int) -> bool:
            return any(other == key and known < later < before for other, later in kept)

        return sorted(
            (known, key, values)
            for (key, known), (whose, values) in kept.items()
            if whose == entity and since <= known < before and not replaced(key, known)
        )

    def latest(self, digest: str, entity: str, before: int, since: int | None = None) -> Found | None:
        found = self.window(digest, entity, -(2**63) if since is None else since, before)
        return found[-1] if found else None


def fact(entity: str, key: str, known: int, values: bytes = b"") -> Fact:
    """A fact whose values say which it is, unless given."""
    return Fact(entity, key, known, values or f"{entity}/{key}/{known}".encode())


def check_the_newest_fact_known_strictly_before_is_found(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", "a", 10), fact("JFK", "b", 20), fact("LGA", "c", 15)])
    assert store.latest("d", "JFK", 21) == (20, "b", b"JFK/b/20")
    assert store.latest("d", "JFK", 20) == (10, "a", b"JFK/a/10")
    assert store.latest("d", "JFK", 10) is None
    assert store.latest("d", "EWR", 21) is None
    assert store.latest("other", "JFK", 21) is None


def check_a_fact_older_than_asked_for_is_not_found(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", "a", 10)])
    assert store.latest("d", "JFK", 100, 10) == (10, "a", b"JFK/a/10")
    assert store.latest("d", "JFK", 100, 11) is None


def check_the_greatest_key_wins_a_tie(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", "b", 10), fact("JFK", "é", 10), fact("JFK", "a", 10)])
    assert store.latest("d", "JFK", 11) == (10, "é", "JFK/é/10".encode())
    assert [key for _, key, _ in store.window("d", "JFK", 0, 11)] == ["a", "b", "é"]


def check_a_correction_counts_from_when_it_is_known(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", "a", 10, b"wrong"), fact("JFK", "a", 30, b"right")])
    assert store.window("d", "JFK", 0, 30) == [(10, "a", b"wrong")]
    assert store.window("d", "JFK", 0, 31) == [(30, "a", b"right")]
    assert store.latest("d", "JFK", 31) == (30, "a", b"right")


def check_a_correction_can_move_a_fact_to_another_entity(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("N1", "flight", 10), fact("N2", "flight", 20)])
    assert store.latest("d", "N1", 20) == (10, "flight", b"N1/flight/10")
    assert store.latest("d", "N1", 21) is None
    assert store.latest("d", "N2", 21) == (20, "flight", b"N2/flight/20")
    assert store.window("d", "N1", 0, 100) == []


def check_a_version_that_arrives_late_takes_its_place(make: Make) -> None:
    store = make()
    for known, entity in ((30, "N3"), (10, "N1"), (20, "N2")):
        store.ingest("d", [fact(entity, "flight", known)])
    for known, entity in ((10, "N1"), (20, "N2"), (30, "N3")):
        others = {"N1", "N2", "N3"} - {entity}
        assert store.latest("d", entity, known + 1) == (known, "flight", f"{entity}/flight/{known}".encode())
        assert all(store.latest("d", other, known + 1) is None for other in others)


def check_a_retry_changes_nothing(make: Make) -> None:
    facts = [fact("JFK", "a", 10), fact("JFK", "a", 20), fact("LGA", "b", 10)]
    assert make().ingest("d", facts) == 3
    assert make().ingest("d", facts) == 0
    assert make().ingest("d", list(reversed(facts))) == 0
    assert make().count("d") == 3
    assert make().latest("d", "JFK", 20) == (10, "a", b"JFK/a/10")


def check_the_last_write_of_one_version_wins(make: Make) -> None:
    store = make()
    assert store.ingest("d", [fact("JFK", "a", 10, b"1"), fact("JFK", "a", 10, b"2")]) == 1
    assert store.latest("d", "JFK", 11) == (10, "a", b"2")
    assert store.ingest("d", [fact("LGA", "a", 10, b"3")]) == 0
    assert store.latest("d", "JFK", 11) is None
    assert store.latest("d", "LGA", 11) == (10, "a", b"3")


def check_many_lookups_are_written_all_or_none(make: Make) -> None:
    store = make()
    assert store.ingest_many([("d", [fact("JFK", "a", 10)]), ("e", [fact("B6", "a", 10), fact("UA", "b", 10)])]) == 3
    try:
        store.ingest_many([("d", [fact("JFK", "z", 50)]), ("new", [Fact("JFK", "a", 10, None)])])  # type: ignore[arg-type]
    except OutlastError:
        assert (store.count("d"), store.count("new")) == (1, 0)
    else:
        raise AssertionError("a fact without values was taken")
    assert store.digests() == ["d", "e"]


def check_pruning_keeps_what_later_lookups_find(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", str(n), n) for n in range(10)])
    store.ingest("d", [fact("LGA", "old", 1), fact("EWR", "gone", 1), fact("HPN", "gone", 2), fact("HPN", "gone", 9)])
    before = {entity: store.latest("d", entity, 100) for entity in ("JFK", "LGA", "EWR", "HPN")}
    assert store.prune("d", 5) == 5, "0 to 3 of JFK, and what EWR had before HPN took it"
    assert {entity: store.latest("d", entity, 100) for entity in before} == before
    assert store.latest("d", "HPN", 6) == (2, "gone", b"HPN/gone/2")
    assert store.prune("d", 5) == 0


def check_pruning_keeps_as_many_of_the_newest_as_told(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", str(n), n) for n in range(10)])
    store.ingest("d", [fact("JFK", "0", 7), fact("LGA", "old", 1), fact("EWR", "gone", 1), fact("HPN", "gone", 6)])

    def seen() -> list[list[Found]]:
        return [_alive(store, Since("d", "JFK", at, before=at, least=3), at)[-3:] for at in (6, 7, 8, 9, 10, 100)]

    before = seen()
    assert store.prune("d", 6, keep=3) == 3, "0 to 2 of JFK: three newer ones stand"
    assert store.prune("d", 7, keep=3) == 2, "3 of JFK, and what EWR had before HPN took it"
    assert store.prune("d", 7, keep=3) == 0
    assert seen()[1:] == before[1:]
    assert store.prune("d", 50, keep=3) == 4
    assert [key for _, key, _ in store.window("d", "JFK", 0, 100)] == ["7", "8", "9"]
    assert store.latest("d", "LGA", 100) == (1, "old", b"LGA/old/1")


def check_it_counts_what_it_has(make: Make) -> None:
    store = make()
    assert (store.count("d"), store.newest("d"), store.digests()) == (0, None, [])
    store.ingest("d", [fact("JFK", "a", 10), fact("JFK", "b", 40), fact("JFK", "c", 20)])
    store.ingest("e", [fact("JFK", "a", -5)])
    assert (store.count("d"), store.newest("d")) == (3, 40)
    assert [store.newest("d", until) for until in (9, 10, 39, 40, 41)] == [None, 10, 20, 40, 40]
    assert store.newest("other", 9) is None
    assert (store.count("e"), store.newest("e")) == (1, -5)
    store.drop("d")
    assert (store.count("d"), store.newest("d"), store.digests()) == (0, None, ["e"])
    assert make().ingest("d", [fact("JFK", "a", 10)]) == 1
    assert store.latest("d", "JFK", 11) == (10, "a", b"JFK/a/10")


def check_many_requests_are_answered_in_order(make: Make) -> None:
    store = make()
    store.ingest(
        "d", [fact(f"e{n}", f"k{n}", n) for n in range(100)] + [fact("N1", "moved", 5), fact("N2", "moved", 7)]
    )
    asked = [Latest("d", f"e{n}", 1000) for n in range(100)]
    assert store.read_many(asked) == [(n, f"k{n}", f"e{n}/k{n}/{n}".encode()) for n in range(100)]
    mixed: list[Request] = [
        Latest("d", "N1", 8),
        Since("d", "N1", 0),
        Latest("other", "N1", 8),
        Latest("d", "N1", 7, 6),
    ]
    nothing, grown, *absent = store.read_many(mixed)
    assert (nothing, grown.facts, absent) == (None, [Version(5, "moved", b"N1/moved/5", 7)], [None, None])
    assert store.read_many([]) == []


def check_what_only_grew_has_the_same_mark(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", "a", 10), fact("JFK", "a\x00", 20), fact("LGA", "z", 5)])
    whole = _grown(store, Since("d", "JFK", -50))
    assert [one[:2] for one in whole.facts] == [(10, "a"), (20, "a\x00")]
    assert [one.key for one in _grown(store, Since("d", "JFK", 20)).facts] == ["a\x00"]
    assert [one.known for one in _grown(store, Since("d", "JFK", -50, before=20)).facts] == [
        one.known for one in whole.facts if one.known < 20
    ]
    after = Since("d", "JFK", 20, "a\x00")
    assert _grown(store, after) == Grown(whole.mark, [])
    store.ingest("d", [fact("JFK", "b", 20), fact("JFK", "c", 30), fact("LGA", "y", 3)])
    store.ingest("d", [fact("JFK", "a", 10)])
    rows = [Version(20, "b", b"JFK/b/20", None), Version(30, "c", b"JFK/c/30", None)]
    assert _grown(make(), after) == Grown(whole.mark, rows)


def check_what_changed_otherwise_has_another_mark(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", "a", 10), fact("JFK", "b", 20), fact("LGA", "z", 5), fact("LGA", "gone", 8)])
    changes: list[tuple[str, Callable[[], object]]] = [
        ("one comes late", lambda: store.ingest("d", [fact("JFK", "late", 15)])),
        ("another value", lambda: store.ingest("d", [fact("JFK", "b", 20, b"other")])),
        ("a correction", lambda: store.ingest("d", [fact("JFK", "a", 40, b"right")])),
        ("it moves away", lambda: store.ingest("d", [fact("EWR", "a", 50)])),
        ("a version moves", lambda: store.ingest("d", [fact("HPN", "b", 20)])),
        ("it is dropped", lambda: store.drop("d")),
    ]
    seen = [_grown(store, Since("d", "JFK", 0)).mark]
    for what, change in changes:
        change()
        mark = _grown(store, Since("d", "JFK", 0)).mark
        assert mark not in seen, what
        seen.append(mark)


def check_forgetting_the_last_fact_changes_the_mark(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", "a", 1), fact("JFK", "b", 20), fact("LGA", "b", 30)])
    before = _grown(store, Since("d", "JFK", 0))
    assert store.prune("d", 40) == 1, "b of JFK, which LGA has"
    store.ingest("d", [fact("JFK", "c", 10)])
    assert _grown(store, Since("d", "JFK", 20, "b")) != Grown(before.mark, [])


def check_as_many_of_the_newest_as_told_are_read(make: Make) -> None:
    store = make()
    store.ingest("d", [fact("JFK", str(n), n) for n in range(9)] + [fact("JFK", "tie", 5), fact("LGA", "8", 20)])

    def keys(asked: Since) -> list[str]:
        return [one.key for one in _grown(store, asked).facts]

    assert keys(Since("d", "JFK", 100, before=100, least=2)) == ["6", "7", "8"], "8 went to LGA and does not count"
    assert keys(Since("d", "JFK", 20, before=20, least=2)) == ["7", "8"], "until 20, strictly, it was there"
    assert keys(Since("d", "JFK", 100, before=6, least=1)) == ["5", "tie"], "all of the moment at which it begins"
    assert keys(Since("d", "JFK", 7, before=9, least=1)) == ["7", "8"], "what is asked for by time comes in any case"
    assert keys(Since("d", "JFK", 100, least=1)) == ["7", "8"]
    assert len(keys(Since("d", "JFK", 100, before=100, least=50))) == 10
    assert keys(Since("d", "EWR", 100, before=100, least=3)) == keys(Since("no", "JFK", 9, before=9, least=3)) == []
    assert keys(Since("d", "JFK", 6, "6", before=9, least=50)) == ["7", "8"], "after a fact, nothing counts"
    whole, last = _grown(store, Since("d", "JFK", 0)), Since("d", "JFK", 100, before=100, least=1)
    both = store.read_many([last, Latest("d", "JFK", 100), last])
    assert [one.mark for one in both[::2]] == [whole.mark] * 2
    assert both[1] == (7, "7", b"JFK/7/7")


def check_the_newest_of_random_histories_agree_with_a_dict(make: Make) -> None:
    chance = random.Random(1903)
    store, expected = make(), Remembered()
    for _ in range(40):
        facts = [
            Fact(chance.choice("AB"), chance.choice("vwxyz"), chance.randrange(12), bytes([chance.randrange(256)]))
            for _ in range(chance.randrange(6))
        ]
        assert store.ingest("d", facts) == expected.ingest("d", facts)
    for entity in "ABC":
        for before in range(14):
            for count in range(1, 6):
                alive = expected.window("d", entity, EVER, before)
                start = alive[-count][0] if len(alive) >= count else EVER
                for since in (before, 5, EVER):
                    asked = Since("d", entity, since, before=before, least=count)
                    assert _alive(store, asked, before) == [one for one in alive if one[0] >= min(start, since)]
    for limit in (4, 8):
        store.prune("d", limit, keep=2)
        for entity in "AB":
            for before in range(limit, 14):
                found = _alive(store, Since("d", entity, before, before=before, least=2), before)
                assert found[-2:] == expected.window("d", entity, EVER, before)[-2:]


def _alive(store: FreshStore, asked: Since, before: int) -> list[Found]:
    """What was asked for, without what a later version replaced before a moment."""
    return [one[:3] for one in _grown(store, asked).facts if one.superseded is None or one.superseded >= before]


def _grown(store: FreshStore, asked: Since) -> Grown:
    (found,) = store.read_many([asked])
    assert isinstance(found, Grown)
    return found


def check_strange_words_are_kept(make: Make) -> None:
    store = make()
    words = ["", "a\x00b", "a\x00c", "Zürich", "\U0001f6eb", "'; DROP TABLE facts; --", "x" * 5000]
    store.ingest("d", [fact(word, word, 10, b"\x00\xff") for word in words])
    assert [store.latest("d", word, 11) for word in words] == [(10, word, b"\x00\xff") for word in words]


def check_random_histories_agree_with_a_dict(make: Make) -> None:
    chance = random.Random(20130701)
    store, expected = make(), Remembered()
    for _ in range(60):
        facts = [
            Fact(chance.choice("AB"), chance.choice("xyz"), chance.randrange(12), bytes([chance.randrange(256)]))
            for _ in range(chance.randrange(6))
        ]
        assert store.ingest("d", facts) == expected.ingest("d", facts)
    for entity in "ABC":
        for before in range(14):
            for since in range(before):
                assert store.window("d", entity, since, before) == expected.window("d", entity, since, before)
                assert store.latest("d", entity, before, since) == expected.latest("d", entity, before, since)


def check_threads_share_it(make: Make) -> None:
    store = make()
    wrong: list[object] = []

    def work(name: str) -> None:
        for n in range(40):
            store.ingest("d", [fact(name, f"{name}{n}", n), fact("all", f"{name}{n}", n + 1000)])
            if store.latest("d", name, n + 1) != (n, f"{name}{n}", f"{name}/{name}{n}/{n}".encode()):
                wrong.append((name, n))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert store.count("d") == 240
    assert len(store.window("d", "all", 0, 5000)) == 120


CHECKS: list[Callable[[Make], None]] = [
    check_the_newest_fact_known_strictly_before_is_found,
    check_a_fact_older_than_asked_for_is_not_found,
    check_the_greatest_key_wins_a_tie,
    check_a_correction_counts_from_when_it_is_known,
    check_a_correction_can_move_a_fact_to_another_entity,
    check_a_version_that_arrives_late_takes_its_place,
    check_a_retry_changes_nothing,
    check_the_last_write_of_one_version_wins,
    check_many_lookups_are_written_all_or_none,
    check_pruning_keeps_what_later_lookups_find,
    check_pruning_keeps_as_many_of_the_newest_as_told,
    check_it_counts_what_it_has,
    check_many_requests_are_answered_in_order,
    check_what_only_grew_has_the_same_mark,
    check_what_changed_otherwise_has_another_mark,
    check_forgetting_the_last_fact_changes_the_mark,
    check_as_many_of_the_newest_as_told_are_read,
    check_the_newest_of_random_histories_agree_with_a_dict,
    check_strange_words_are_kept,
    check_random_histories_agree_with_a_dict,
    check_threads_share_it,
]
