"""Taxi trips that were never driven, with what real tables have: gaps, rare words, a leak."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

AREAS = ("Airport", "Centre", "Harbour", "North", "South", "West")


def make_trips(rows: int = 6_000, seed: int = 1) -> pa.Table:
    """Trips: fares follow from miles, minutes, hour and area, but for a dollar or so."""
    random = np.random.default_rng(seed)
    driver = random.integers(0, 300, rows)
    seconds = random.integers(1_704_067_200, 1_735_689_600, rows)
    hour = seconds // 3600 % 24
    area = random.choice([*AREAS, *(f"Village {n}" for n in range(30))], rows, p=_shares())
    miles = np.round(random.gamma(1.5, 2.5, rows) + 0.3 + 9 * (area == "Airport"), 2)
    rush = ((hour >= 7) & (hour < 10)) | ((hour >= 16) & (hour < 19))
    minutes = np.round(miles * np.where(rush, 4.5, 2.5) + random.gamma(2.0, 1.5, rows), 1)
    fare = 3.25 + 2.25 * miles * np.where(rush & (area == "Centre"), 1.5, 1.0) + 0.25 * minutes
    fare = np.round(fare + random.normal(0, 1.2, rows), 2).clip(3.25)
    cash = random.random(rows) < 0.4
    tip = np.where(cash, 0.0, np.round(fare * random.choice([0.1, 0.15, 0.2, 0.25], rows), 2))
    payment = np.where(cash, "Cash", np.where(random.random(rows) < 0.9, "Card", "App"))
    return pa.table(
        {
            "trip_id": [f"t{n:07d}" for n in range(rows)],
            "driver_id": [f"d{n}" for n in driver],
            "pickup_time": pa.array(seconds * 1_000_000, pa.timestamp("us", "UTC")),
            "pickup_area": _with_gaps(area.tolist(), random, 0.03),
            "miles": miles,
            "minutes": _with_gaps(minutes.tolist(), random, 0.1),
            "passengers": _with_gaps(random.integers(1, 6, rows).tolist(), random, 0.2),
            "payment": _with_gaps(payment.tolist(), random, 0.05),
            "shared": random.random(rows) < 0.1,
            "tip": tip,
            "total": np.round(fare + tip, 2),
            "company": ["One Cab"] * rows,
            "fare": fare,
        }
    )


def _shares() -> np.ndarray:
    shares = np.array([0.1, 0.3, 0.15, 0.15, 0.15, 0.1, *[0.05 / 30] * 30])
    return shares / shares.sum()


def _with_gaps(values: list, random: np.random.Generator, share: float) -> list:
    gaps = random.random(len(values)) < share
    return [None if gap else value for value, gap in zip(values, gaps, strict=True)]
