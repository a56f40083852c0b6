#!/usr/bin/env python3
"""Writes knowledge/ads/ads.csv: 60 days of eight advertising campaigns, with six anomalies planted (see README.md).

The same rows every time, on every Python 3: the only randomness is a linear congruential generator started from SEED.
Run it from anywhere: python3 workflows/marketing/generate_ads.py
"""

import csv
import datetime
import pathlib

SEED = 20261123
LAST_DAY = datetime.date(2026, 11, 23)
DAYS = 60

# campaign, channel, spend per day (yuan), click-through rate, cost per click (yuan), conversion rate, revenue per conversion
CAMPAIGNS = [
    ("品牌词搜索", "百度", 1800, 0.082, 1.9, 0.110, 96),
    ("竞品词搜索", "百度", 2400, 0.031, 4.2, 0.046, 118),
    ("信息流拉新", "抖音", 5200, 0.018, 1.3, 0.021, 92),
    ("直播间引流", "抖音", 3600, 0.027, 1.1, 0.034, 74),
    ("种草笔记", "小红书", 2100, 0.036, 1.4, 0.029, 105),
    ("朋友圈广告", "微信", 3000, 0.014, 2.1, 0.039, 112),
    ("老客召回", "微信", 900, 0.052, 0.9, 0.072, 88),
    ("海外英文搜索", "Google", 2600, 0.044, 3.1, 0.057, 168),
]

# Monday to Sunday: people shop at the weekend, and search for work on weekdays.
WEEKDAY = {
    "consumer": [0.96, 0.95, 0.97, 0.99, 1.03, 1.08, 1.06],
    "search": [1.04, 1.05, 1.04, 1.03, 1.00, 0.93, 0.91],
}
SEARCH_CHANNELS = {"百度", "Google"}

# (day, campaign) -> what is multiplied. Described in README.md; keep the two together.
PLANTED = {
    ("2026-10-27", "朋友圈广告"): {"conversions": 0.0, "revenue": 0.0},
    ("2026-11-05", "品牌词搜索"): {"spend": 0.08, "impressions": 0.08, "clicks": 0.08, "conversions": 0.08, "revenue": 0.08},
    ("2026-11-11", "直播间引流"): {"spend": 2.2, "impressions": 2.1, "clicks": 2.6, "conversions": 3.6, "revenue": 3.9},
    ("2026-11-18", "种草笔记"): {"clicks": 4.5, "spend": 1.1, "conversions": 0.8, "revenue": 0.8},
    ("2026-11-20", "海外英文搜索"): {"spend": 2.8},
    ("2026-11-23", "信息流拉新"): {"spend": 2.9, "impressions": 2.3, "clicks": 2.2, "conversions": 0.4, "revenue": 0.4},
}


class Noise:
    """Numbers around 1.0 that are the same on every machine."""

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**53

    def around_one(self, spread):
        """The mean of four uniform numbers: bell-shaped and never further than `spread` from one."""
        return 1 + spread * (sum(self.uniform() for _ in range(4)) / 2 - 1)


def main():
    noise = Noise(SEED)
    target = pathlib.Path(__file__).parent / "knowledge" / "ads" / "ads.csv"
    with target.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["date", "campaign", "channel", "spend", "impressions", "clicks", "conversions", "revenue"])
        for back in range(DAYS - 1, -1, -1):
            day = LAST_DAY - datetime.timedelta(days=back)
            for campaign, channel, spend, ctr, cpc, rate, value in CAMPAIGNS:
                kind = "search" if channel in SEARCH_CHANNELS else "consumer"
                level = WEEKDAY[kind][day.weekday()] * (1 + 0.0015 * (DAYS - back))
                cost = spend * level * noise.around_one(0.10)
                clicks = cost / cpc * noise.around_one(0.08)
                impressions = clicks / ctr * noise.around_one(0.08)
                conversions = clicks * rate * noise.around_one(0.14)
                revenue = conversions * value * noise.around_one(0.10)
                change = PLANTED.get((day.isoformat(), campaign), {})
                rows.writerow([
                    day.isoformat(), campaign, channel,
                    f"{cost * change.get('spend', 1):.2f}",
                    round(impressions * change.get("impressions", 1)),
                    round(clicks * change.get("clicks", 1)),
                    round(conversions * change.get("conversions", 1)),
                    f"{revenue * change.get('revenue', 1):.2f}",
                ])


if __name__ == "__main__":
    main()
