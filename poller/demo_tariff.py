"""What the energy of the demo plant costs, by day and by night, with a charge for the peak."""

from models.tariff_terms import TariffTerms, read_terms

WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]
CO2_G_PER_KWH = 363
DEMAND_CHARGE_PER_KW_MONTH = "9.80"
PRICES = {"2025-01-01": ("Day and night 2025", "0.241", "0.186"), "2026-01-01": ("Day and night", "0.268", "0.204")}


def demo_tariffs() -> list[TariffTerms]:
    """The tariffs of the demo, by their first day."""
    return [
        read_terms(
            {
                "name": name,
                "valid_from": valid_from,
                "currency": "EUR",
                "bands": [
                    {"name": "Day", "price_per_kwh": day, "weekdays": WORKDAYS, "from": "06:00", "to": "22:00"},
                    {"name": "Night and weekend", "price_per_kwh": night},
                ],
                "demand_charge_per_kw_month": DEMAND_CHARGE_PER_KW_MONTH,
                "standing_charge_per_month": "85.00",
                "co2_g_per_kwh": CO2_G_PER_KWH,
            }
        )
        for valid_from, (name, day, night) in PRICES.items()
    ]
