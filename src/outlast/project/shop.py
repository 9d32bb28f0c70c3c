"""The data a new project brings: three months of an invented online shop, the same bytes on every machine."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

FIRST = datetime(2025, 3, 3)
DAYS, A_DAY = 91, 22
WAREHOUSES = {"north": 35.0, "south": 50.0}
CARRIERS = {"Nordpost": 0.0, "Parcelo": 0.15, "Swift": -0.15}
_COUNTS = timedelta(hours=6)

Levels = Mapping[str, list[float]]


class Order(NamedTuple):
    """A question: will this one be late?"""

    order_id: str
    placed_at: datetime
    warehouse: str
    carrier: str
    weight_kg: float
    distance_km: int
    promised_days: int


class Backlog(NamedTuple):
    """A fact: how many orders waited in a warehouse."""

    warehouse: str
    counted_at: datetime
    open_orders: int


class Delivery(NamedTuple):
    """A fact, and the truth about an order."""

    order_id: str
    delivered_at: datetime
    carrier: str
    days_late: float


def shop(seed: int = 7) -> dict[str, str]:
    """CSV text by file name: what was ordered, how full the warehouses were, and when each parcel arrived.

    Parcels are late when their carrier has a bad week, when the warehouse is behind, when they are heavy or go far.
    """
    chance = Random(seed)
    troubles = {name: _wandering(chance, DAYS, usual, 0.9, 0.45) for name, usual in CARRIERS.items()}
    backlog = {name: _wandering(chance, DAYS * 4, usual, 0.95, 4.0) for name, usual in WAREHOUSES.items()}
    orders = list(_orders(chance))
    arrived = [_delivery(chance, order, troubles, backlog) for order in orders]
    seen = [parcel for parcel in arrived if chance.random() > 0.01]  # a few parcels are never heard of again
    seen.sort(key=lambda parcel: parcel.delivered_at)
    return {
        "orders.csv": _csv(Order, orders),
        "backlog.csv": _csv(Backlog, _counted(backlog)),
        "deliveries.csv": _csv(Delivery, seen),
    }


def _wandering(chance: Random, steps: int, usual: float, memory: float, step: float) -> list[float]:
    """A level that strays from what is usual and comes back."""
    level, found = 0.0, []
    for _ in range(steps):
        level = memory * level + chance.uniform(-1.0, 1.0) * step * math.sqrt(3.0)
        found.append(usual + level)
    return found


def _orders(chance: Random) -> Iterator[Order]:
    number = 1000
    for day in range(DAYS):
        for second in sorted(int(chance.random() * 16 * 3600) for _ in range(A_DAY)):
            placed = FIRST + timedelta(days=day, hours=6, seconds=second)
            weight, distance = round(0.2 + 12 * chance.random() ** 3, 1), 20 + int(680 * chance.random())
            names = list(WAREHOUSES)[int(chance.random() * 2)], list(CARRIERS)[int(chance.random() * 3)]
            yield Order(f"O-{number}", placed, *names, weight, distance, 2 if distance < 350 else 3)
            number += 1


def _delivery(chance: Random, order: Order, troubles: Levels, backlog: Levels) -> Delivery:
    since = order.placed_at - FIRST
    days = 1.0 + order.distance_km / 400 + 0.5 * troubles[order.carrier][since.days]
    days += 0.03 * (backlog[order.warehouse][since // _COUNTS] - 40)
    days += 0.4 if order.weight_kg > 5 else 0.0
    days += 0.5 if order.placed_at.weekday() == 4 else 0.0
    days = max(days + 0.35 * chance.gauss(0.0, 1.0), 0.5)
    arrived = order.placed_at + timedelta(minutes=int(days * 1440))
    return Delivery(order.order_id, arrived, order.carrier, round(days - order.promised_days, 1) + 0.0)


def _counted(backlog: Levels) -> Iterator[Backlog]:
    for step in range(DAYS * 4):
        for name, levels in backlog.items():
            yield Backlog(name, FIRST + step * _COUNTS, max(0, round(levels[step])))


def _csv(kind: type[Order] | type[Backlog] | type[Delivery], rows: Iterable[tuple[object, ...]]) -> str:
    return "\n".join([",".join(kind._fields), *(",".join(map(str, row)) for row in rows)]) + "\n"
