"""Facts in, values out: cases whose features can be told by hand. `outlast features test` computes them."""

on_the_first_of_may = {
    "facts": {
        "deliveries": [
            {"order_id": "A", "delivered_at": "2025-04-28T09:00", "carrier": "Parcelo", "days_late": 0},
            {"order_id": "B", "delivered_at": "2025-05-01T09:00", "carrier": "Parcelo", "days_late": 3},
            {"order_id": "C", "delivered_at": "2025-05-01T11:30", "carrier": "Parcelo", "days_late": 9},
        ]
    },
    "asks": {"carrier": "Parcelo"},
    "at": "2025-05-01T12:00",  # C is told at 12:30
    "gives": {"carrier_days_late_1d": 3, "carrier_days_late_4d": 1.5},
}
