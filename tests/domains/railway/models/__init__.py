"""A railway: its lines and trains, who sits where, and how hot the rails are."""

from models.booking import Card, Reservation, Status, StatusLog, Traveller, traveller_card
from models.measure import Measurement, Sensor
from models.network import Line, Seat, Station, Stop, Train

__all__ = [
    "Card",
    "Line",
    "Measurement",
    "Reservation",
    "Seat",
    "Sensor",
    "Station",
    "Status",
    "StatusLog",
    "Stop",
    "Train",
    "Traveller",
    "traveller_card",
]
